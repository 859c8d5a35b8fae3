"""What the groups share: the mark, the clocks, files to wait for."""

import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from truth import line_of  # noqa: E402

#: Every wait of the groups that were imported.
WAITS = []

#: Calls into it keep the GIL: the clocks are read without another thread in between.
WITH_GIL = ctypes.PyDLL(None)

#: Set before children are ended that others wait for with the GIL held.
ENDING = threading.Event()

_folders = []
_listeners = []


class Skip(Exception):
    """Raised by a wait that cannot be made here, with the reason."""


class Wait:
    """One function that waits again and again, in a thread of its own."""

    def __init__(self, function, reason, what, besides, never):
        self.function = function
        self.name = function.__name__
        self.reason = reason
        self.what = what
        self.besides = besides
        self.never = never
        self.spans = []
        self.facts = {}
        self.buffer = ctypes.create_string_buffer(100)
        self.tid = None
        self.skipped = None
        self.is_ready = threading.Event()

    def run(self):
        self.tid = threading.get_native_id()
        self.schedstat = os.open("/proc/self/task/%d/schedstat" % self.tid, os.O_RDONLY)
        try:
            self.function(self)
        except Skip as why:
            self.skipped = str(why)
        except OSError as error:
            self.skipped = "%s: %s" % (type(error).__name__, error)
        finally:
            self.is_ready.set()

    def ready(self, **facts):
        """It begins to wait now; `facts` are who is waited for."""
        self.facts = facts
        self.is_ready.set()

    def begin(self):
        """The clocks before a wait."""
        return time.time_ns(), self.not_blocked()

    def end(self, begun):
        """Notes the wait that began then."""
        not_blocked = self.not_blocked() - begun[1]
        self.spans.append((begun[0], time.time_ns(), not_blocked))

    def not_blocked(self):
        """Time on a CPU and, as the kernel tells, time ready for one."""
        size = WITH_GIL.pread(self.schedstat, self.buffer, len(self.buffer), 0)
        return time.thread_time_ns() + int(self.buffer.raw[:size].split()[1])

    def for_ever(self, begun):
        """Notes a wait that never ends."""
        self.spans.append((begun[0], begun[0] + 10**12, 0))

    def truth(self):
        return {
            "tid": self.tid,
            "reason": self.reason,
            "what": self.what,
            "besides": self.besides,
            "never": self.never,
            "line": line_of(self.function, "# here"),
            "skipped": self.skipped,
            "facts": self.facts,
        }


def waits(reason, what, besides=(), never=()):
    """Marks a function that waits for `reason` at the line with the comment `here`.

    `besides` are reasons that its loop may have for other waits of its own, `never`
    those of what it looks like. No reason: it must never wait.
    """

    def mark(function):
        WAITS.append(Wait(function, reason, what, list(besides), list(never)))
        return function

    return mark


def beside(function, *arguments):
    """Runs a helper in a thread that nobody looks at."""
    threading.Thread(target=function, args=arguments, daemon=True).start()


def every(seconds, function):
    """Calls a function again and again, in a thread that nobody looks at."""

    def again():
        while True:
            time.sleep(seconds)
            function()

    beside(again)


def named(address):
    return "%s:%d" % address[:2]


def listener(host="127.0.0.1", backlog=16):
    server = socket.socket()
    server.bind((host, 0))
    server.listen(backlog)
    return server


def pair():
    """Both ends of a TCP connection."""
    server = listener()
    # It stays open: without it nobody can tell which end was called.
    _listeners.append(server)
    client = socket.create_connection(server.getsockname())
    return client, server.accept()[0]


def in_child(function):
    """Calls a function again and again in another process, as long as we live."""
    if os.fork():
        return
    parent = os.getppid()
    os.closerange(0, 3)
    while os.getppid() == parent:
        function()
    os._exit(0)


def folder():
    """A new folder, on a disk where there is one."""
    made = tempfile.mkdtemp(prefix="pyobserve-reasons-", dir="/var/tmp")
    _folders.append(made)
    return made


def children():
    """The pids of our children."""
    found = []
    for tid in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/%s/children" % tid) as file:
                found.extend(int(pid) for pid in file.read().split())
        except OSError:
            # The thread has ended.
            pass
    return found


def clean_up():
    """Ends our children and removes the folders."""
    ENDING.set()
    time.sleep(0.2)
    for pid in children():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    for made in _folders:
        shutil.rmtree(made, ignore_errors=True)

"""What every workload shares: saying what it does, when to end, and its own clocks.

A workload prints two lines of JSON. The first when it is ready, with what a right
verdict must say of it; the last when it ends, with what it measured of itself, by
clocks that have nothing to do with the observer:

    {"ready": true, "pid": 4711, "truth": {"class": "io-bound", ...}}
    {"done": true, "wall_ns": ..., "cpu_ns": ..., "threads": [...], "waits": {...}, ...}

It runs until its stdin closes, until SIGTERM or SIGINT, or for `--seconds N`.

How the end of stdin is noticed matters: a thread that reads stdin would be one more
thread in every report, and looking now and then would add wake-ups to a process
whose wake-ups are the point. So the kernel is asked for a signal (O_ASYNC): SIGIO
when something happens to stdin, and at that moment only is it looked at. The time
limit is a signal too (setitimer). Both raise `Stop` in the main thread, out of
whatever call it blocks in.

Standard library only, CPython 3.8 to 3.13.
"""

import argparse
import fcntl
import json
import linecache
import os
import select
import signal
import sys
import threading
import time


class Stop(Exception):
    """Raised in the main thread when the workload is to end."""


class Workload:
    """One run of a workload: its ready line, its end, its clocks."""

    def __init__(self):
        parser = argparse.ArgumentParser()
        parser.add_argument(
            "--seconds", type=float, help="end by itself, whatever becomes of stdin"
        )
        self._seconds = parser.parse_args().seconds
        self._started_ns = 0
        self._process_started_ns = 0
        self._threads = {}
        self._waits = {}
        #: True once the workload is to end; for loops in other threads.
        self.stopping = False

    def ready(self, verdict, detail, function, note, marker="# here"):
        """Says what this process does from now on, and starts the clocks.

        `function` is the function to blame, or the one that waits; the line is that
        of `marker` in it.
        """
        truth = {
            "class": verdict,
            "detail": detail,
            "function": function.__name__,
            "file": function.__code__.co_filename,
            "line": line_of(function, marker),
            "note": note,
        }
        self._process_started_ns = time.process_time_ns()
        self.thread_begins()
        self._started_ns = time.monotonic_ns()
        # Before the word is out: whoever reads it may end this at once.
        self._arm()
        _say({"ready": True, "pid": os.getpid(), "python": sys.version.split()[0], "truth": truth})

    def thread_begins(self):
        """Starts the calling thread's clock."""
        thread = threading.current_thread()
        self._threads[thread.native_id] = {
            "tid": thread.native_id,
            "name": thread.name,
            "cpu_ns": -time.thread_time_ns(),
        }

    def thread_ends(self):
        """Reads the calling thread's clock."""
        self._threads[threading.get_native_id()]["cpu_ns"] += time.thread_time_ns()

    def waited(self, reason, nanoseconds):
        """Notes a wait that the workload measured itself."""
        wait = self._waits.setdefault(reason, {"count": 0, "total_ns": 0, "max_ns": 0})
        wait["count"] += 1
        wait["total_ns"] += nanoseconds
        wait["max_ns"] = max(wait["max_ns"], nanoseconds)

    def done(self, **counts):
        """Says what it measured of itself; call it last, in the main thread."""
        wall_ns = time.monotonic_ns() - self._started_ns
        self.thread_ends()
        cpu_ns = time.process_time_ns() - self._process_started_ns
        _say(
            {
                "done": True,
                "wall_ns": wall_ns,
                "cpu_ns": cpu_ns,
                "threads": list(self._threads.values()),
                "waits": self._waits,
                "counts": counts,
            }
        )

    def _arm(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, self._stop)
        if self._seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
            return
        signal.signal(signal.SIGIO, self._look_at_stdin)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
        # It may have closed before anyone asked for the signal.
        self._look_at_stdin()

    def _look_at_stdin(self, *_):
        poll = select.poll()
        poll.register(0, select.POLLIN)
        for _, events in poll.poll(0):
            if events & (select.POLLHUP | select.POLLERR | select.POLLNVAL) or not os.read(0, 4096):
                self._stop()

    def _stop(self, *_):
        if not self.stopping:
            self.stopping = True
            raise Stop


def line_of(function, marker):
    """The line in `function` that carries the comment `marker`."""
    code = function.__code__
    line = code.co_firstlineno
    while True:
        text = linecache.getline(code.co_filename, line)
        if not text:
            raise LookupError("no %r in %s" % (marker, function.__name__))
        if text.rstrip().endswith(marker):
            return line
        line += 1


def _say(message):
    try:
        print(json.dumps(message), flush=True)
    except BrokenPipeError:
        # Whoever started this has gone; there is nobody to tell. The interpreter
        # flushes stdout once more at exit, which must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

"""Threads at known places; says of each which frames `sys._current_frames()` shows.

`stacks.py waits`: threads that block: for good, or woken fifty times a second.
`stacks.py spins`: threads that compute in one line of one function.

Every frame's line is the same whenever one looks: a thread that wakes or computes does
so in a loop of one line.
"""

import asyncio
import contextlib
import functools
import json
import os
import queue
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time

from standing import frames_of, rest, say, settle, start, state

WARM = 50
CASES = {}
SOCKETS = []


def case(reason):
    """Registers a function that blocks for `reason`."""

    def register(function):
        CASES[function.__name__] = (function, reason)
        return function

    return register


def inbox():
    """A socket of its own for each thread."""
    ours, theirs = socket.socketpair()
    SOCKETS.append(theirs)
    return ours


# -- in recv: these are run twice, one left alone and one woken again and again


def inner(source):
    while source.recv(1): pass  # fmt: skip


def middle(source):
    return inner(source)


@case("pipe")
def functions(source):
    return [middle(source)]


class Service:
    def step(self, source):
        while source.recv(1): pass  # fmt: skip

    def run(self, source):
        for _ in range(1):
            self.step(source)

    @classmethod
    def start(cls, source):
        cls().run(source)


@case("pipe")
def methods(source):
    Service.start(source)


def leaves(source):
    while source.recv(1): pass  # fmt: skip
    yield 1


def branches(source):
    yield 0
    yield from leaves(source)


@case("pipe")
def generators(source):
    for _ in branches(source):
        pass


def größe(quelle):
    数える = lambda 源: 源.recv(1)
    while 数える(quelle): pass  # fmt: skip


@case("pipe")
def Ünïcödé_ключ(source):
    größe(source)


@case("pipe")
def class_body(source):
    class Body:
        while source.recv(1): pass  # fmt: skip

    return Body


class Client:
    def __init__(self, source):
        def closure():
            while source.recv(1): pass  # fmt: skip

        self.answer = closure()


@case("pipe")
def init_and_closure(source):
    Client(source)


async def leaf_coroutine(source):
    while source.recv(1): pass  # fmt: skip


async def outer_coroutine(source):
    await asyncio.sleep(0)
    return await leaf_coroutine(source)


@case("pipe")
def coroutines(source):
    asyncio.run(outer_coroutine(source))


@case("pipe")
def comprehension(source):
    return [middle(source) for _ in range(1)]


@case("pipe")
def called_from_c(source):
    return sorted([source], key=lambda item: middle(item))


@case("pipe")
def call_over_lines(source):
    return functools.partial(
        middle,
    )(
        source,
    )


@case("pipe")
def executed(source):
    exec("def f(s):\n\n    return middle(s)\n\nf(source)", {"middle": middle, "source": source})


@contextlib.contextmanager
def closing(source):
    yield
    middle(source)


@case("pipe")
def leaving_with(source):
    with closing(source):
        pass


@case("pipe")
def handling(source):
    try:
        raise ValueError
    except ValueError:
        try:
            raise KeyError
        finally:
            middle(source)


# -- elsewhere: left alone


@case("lock")
def in_lock(_):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


@case("lock")
def in_queue(_):
    queue.Queue().get()


@case("lock")
def in_event(_):
    threading.Event().wait()


@case("sleep")
def in_sleep(_):
    time.sleep(
        100_000,
    )


@case("poll-wait")
def in_select(source):
    other = inbox()
    select.select([source, other], [], [])


@case("pipe")
def in_read(_):
    ours, theirs = os.pipe()
    os.read(ours, theirs)


@case("child-wait")
def in_child(_):
    # It ends with us: the other end of its stdin closes.
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    )
    child.wait()


@case("pipe")
def in_import(source):
    MODULE.source = source
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "blocking_module.py"), "w") as file:
            file.write("import __main__\n\n__main__.middle(__main__.MODULE.source)\n")
        sys.path.insert(0, folder)
        import blocking_module  # noqa: F401


class MODULE:
    source = None


# -- computing


def computing():
    total = 1
    while total: total = total * 31 % 1_000_003 + 1  # fmt: skip


class Spinner:
    def spin(self):
        for _ in self.steps():
            pass

    def steps(self):
        yield from (computing() for _ in range(1))


def chain():
    Spinner().spin()


def descend(frames):
    if frames > 0:
        return descend(frames - 1)
    return computing()


def deep60():
    descend(60)


def deep300():
    descend(300)


SPINS = (chain, deep60, deep300)


def feed(sockets):
    while True:
        time.sleep(0.02)
        for outbox in sockets:
            outbox.send(b"x")


def warm_up():
    """Runs everything so often that the interpreter has specialized it."""
    ours, theirs = socket.socketpair()
    theirs.close()
    for name, (function, _) in CASES.items():
        if not name.startswith("in_"):
            for _ in range(WARM):
                with contextlib.suppress(ValueError, KeyError):
                    function(ours)


def waits():
    warm_up()
    threads, reasons = [], []
    for name, (function, reason) in CASES.items():
        threads.append(start("still " + name, function, (inbox(),)))
        reasons.append(reason)
    mark = len(SOCKETS)
    for name, (function, reason) in CASES.items():
        if not name.startswith("in_"):
            threads.append(start("woken " + name, function, (inbox(),)))
            reasons.append(reason)
    places = settle(threads, True)
    feeder = start("feeder", feed, (SOCKETS[mark:],))
    # Where it wakes is where it was.
    while state(feeder) != "S":
        time.sleep(0.01)
    say(threads, places, reasons)


def spins():
    sys.setrecursionlimit(2_000)
    threads = [start(function.__name__, function, ()) for function in SPINS]
    while not all(frames_of(thread)[-1][0] == "computing" for thread in threads):
        time.sleep(0.01)
    say(threads, settle(threads, False), [None] * len(threads))


{"waits": waits, "spins": spins}[sys.argv[1]]()
rest()

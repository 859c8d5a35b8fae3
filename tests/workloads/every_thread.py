"""Threads of every kind, each at a place that it never leaves.

`every_thread.py parked N`: N threads that wait for good.
`every_thread.py deep`: recursion of 2,000 frames, waiting and computing.
`every_thread.py computing`: C code without the GIL, code that C code calls back,
generators, coroutines and tasks, each computing in one line.
`every_thread.py waiting`: tasks, generators and code that C code calls back, each in a
system call.
`every_thread.py greenlets`: the same in greenlets and gevent's, for an interpreter that
has them.
"""

import asyncio
import hashlib
import os
import socket
import sys
import threading
import time
import zlib

from standing import frames_of, rest, say, settle, start

DEPTH = 2_000
BIG = os.urandom(1 << 20)
KEPT = []


def inbox():
    ours, theirs = socket.socketpair()
    KEPT.append(theirs)
    return ours


# -- places to wait at


def in_recv(source):
    while source.recv(1): pass  # fmt: skip


def in_lock(_):
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def in_event(_):
    threading.Event().wait()


def in_sleep(_):
    time.sleep(100_000)


PLACES = ((in_recv, "pipe"), (in_lock, "lock"), (in_event, "lock"), (in_sleep, "sleep"))


def further(frames, function, source):
    if frames > 0:
        return further(frames - 1, function, source)
    return function(source)


def descend(frames):
    if frames > 0:
        return descend(frames - 1)
    return computing()


def computing():
    total = 1
    while total: total = total * 31 % 1_000_003 + 1  # fmt: skip


# -- computing


def compressing():
    while zlib.compress(BIG, 1): pass  # fmt: skip


def hashing():
    while hashlib.sha256(BIG): pass  # fmt: skip


def called_back():
    sorted([1], key=lambda _: computing())


def evaluated():
    eval("[computing() for _ in (1,)]", {"computing": computing})


def inner_generator():
    yield computing()


def outer_generator():
    yield from inner_generator()


def generated():
    next(outer_generator())


async def innermost():
    await asyncio.sleep(0)
    return computing()


async def outer():
    return await innermost()


async def in_task():
    await asyncio.gather(asyncio.ensure_future(outer()), asyncio.sleep(0))


def tasks():
    asyncio.run(in_task())


class Finalized:
    def __del__(self):
        computing()


def finalizing():
    Finalized()


LEAVES = ("computing", "compressing", "hashing")
COMPUTING = (
    compressing,
    hashing,
    called_back,
    evaluated,
    generated,
    tasks,
    finalizing,
)


# -- waiting


async def blocks(source):
    await asyncio.sleep(0)
    in_recv(source)


async def awaits_one_that_blocks(source):
    await blocks(source)


def task_blocks(source):
    async def main():
        await asyncio.ensure_future(awaits_one_that_blocks(source))

    asyncio.run(main())


def loop_waits(_):
    async def forever():
        await asyncio.get_running_loop().create_future()

    asyncio.run(forever())


def generator_blocks(source):
    def leaves():
        yield in_recv(source)

    def branches():
        yield from leaves()

    list(branches())


def callback_blocks(source):
    list(map(in_recv, [source]))


def evaluated_blocks(source):
    exec("in_recv(source)", {"in_recv": in_recv, "source": source})


WAITING = (
    (task_blocks, "pipe"),
    (loop_waits, "poll-wait"),
    (generator_blocks, "pipe"),
    (callback_blocks, "pipe"),
    (evaluated_blocks, "pipe"),
)


# -- greenlets


def in_greenlet(function, *arguments):
    return greenlet.greenlet(function).switch(*arguments)


def greenlet_computes():
    in_greenlet(computing)


def greenlet_of_greenlet_computes():
    in_greenlet(in_greenlet, computing)


def resumed_greenlet_computes():
    home = greenlet.getcurrent()

    def away():
        home.switch()
        computing()

    other = greenlet.greenlet(away)
    other.switch()
    other.switch()


def greenlet_blocks(source):
    in_greenlet(in_recv, source)


def gevent_blocks(source):
    gevent.spawn(in_recv, source).join()


def gevent_waits(_):
    gevent.sleep(100_000)


def gevent_computes():
    gevent.joinall([gevent.spawn(computing)])


# --


def run(computes, waits):
    # Those that wait come first: where others compute, a thread that waits for the GIL
    # on its way looks as if it had arrived.
    waiting, reasons = [], []
    for name, function, reason in waits:
        waiting.append(start("still " + name, function, (inbox(),)))
        reasons.append(reason)
    places = settle(waiting, True)
    computing = [start(function.__name__, function, ()) for function in computes]
    while not all(frames_of(thread)[-1][0] in LEAVES for thread in computing):
        time.sleep(0.01)
    places += settle(computing, False)
    say(waiting + computing, places, reasons + [None] * len(computing))


def parked(count):
    def waits():
        for n in range(count):
            place, reason = PLACES[n % len(PLACES)]

            def at_depth(source, place=place, depth=n % 7):
                further(depth, place, source)

            yield "%d %s" % (n, place.__name__), at_depth, reason

    run((), waits())


def deep():
    sys.setrecursionlimit(DEPTH * 2)
    threading.stack_size(64 << 20)

    def deep_computing():
        descend(DEPTH)

    def deep_waiting(source):
        further(DEPTH, in_recv, source)

    run((deep_computing,), [("deep", deep_waiting, "pipe")])


def named(waits):
    return [(function.__name__, function, reason) for function, reason in waits]


mode = sys.argv[1]
if mode == "parked":
    parked(int(sys.argv[2]))
elif mode == "deep":
    deep()
elif mode == "computing":
    run(COMPUTING, ())
elif mode == "waiting":
    run((), named(WAITING))
elif mode == "greenlets":
    import gevent
    import greenlet

    run(
        (
            greenlet_computes,
            greenlet_of_greenlet_computes,
            resumed_greenlet_computes,
            gevent_computes,
        ),
        named(
            (
                (greenlet_blocks, "pipe"),
                (gevent_blocks, "pipe"),
                (gevent_waits, "poll-wait"),
            )
        ),
    )
rest()

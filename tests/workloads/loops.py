"""An event loop that something keeps from its turns; `loops.py KIND [LIBRARY]`.

LIBRARY is `asyncio` unless it is said; or `uvloop`, or `gevent`, for which there are `sleep`,
`compute` and `many`.

KIND is what happens in it about ten times in three seconds:

- `sleep`: a coroutine calls `time.sleep`, which blocks the loop;
- `compute`: a callback computes;
- `many`: callbacks of 2 ms each, all due at once, take the time together;
- `gil`: another thread computes in one call that keeps the GIL;
- `await`: a coroutine awaits `asyncio.sleep`, which is no harm;
- `selector`: a loop around `select.epoll`, without asyncio, computes.

Ready line: the line to blame and its function, the task. Last line: the spans
[[begin, end], ...] in unix ns in which the loop was held, by its own clock.
"""

import asyncio
import ctypes
import json
import os
import select
import socket
import sys
import threading
import time

from truth import line_of

if "uvloop" in sys.argv:
    import uvloop
if "gevent" in sys.argv:
    import gevent

KIND = sys.argv[1]
LIBRARY = sys.argv[2] if len(sys.argv) > 2 else "asyncio"
HELD_S = 0.2
REST_S = 0.1
spans = []


def crunch(seconds):
    until = time.thread_time() + seconds
    total = 0
    while time.thread_time() < until:
        for number in range(500):
            total += number * number % 7  # here
    return total


def held(function, *arguments):
    begin = time.time_ns()
    function(*arguments)
    spans.append((begin, time.time_ns()))


def nap():
    time.sleep(HELD_S)  # here


async def sleepy_task():
    while True:
        held(nap)
        await asyncio.sleep(REST_S)


async def awaiting_task():
    while True:
        begin = time.time_ns()
        await asyncio.sleep(HELD_S)  # here
        spans.append((begin, time.time_ns()))


def computing_callback(loop):
    held(crunch, HELD_S)
    loop.call_later(REST_S, computing_callback, loop)


def short_callback():
    crunch(0.002)


async def many_task():
    loop = asyncio.get_running_loop()
    while True:
        begin = time.time_ns()
        for _ in range(int(HELD_S / 0.002)):
            loop.call_soon(short_callback)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        spans.append((begin, time.time_ns()))
        await asyncio.sleep(REST_S)


async def quiet_task():
    last = time.time_ns()
    while True:
        await asyncio.sleep(0.005 if KIND == "gil" else 3600)
        now = time.time_ns()
        # What it sleeps longer than it asked for, somebody else had.
        if now - last > 25_000_000:
            spans.append((last + 5_000_000, now))
        last = now


def keep_gil():
    usleep = ctypes.PyDLL(None).usleep
    while True:
        time.sleep(REST_S)
        usleep(int(HELD_S * 1e6))


def selector_loop():
    ring, bell = socket.socketpair()
    poll = select.epoll()
    poll.register(ring, select.EPOLLIN)

    rested = threading.Event()

    def ask():
        while True:
            rested.wait()
            rested.clear()
            time.sleep(REST_S / 4)
            bell.send(b"x")

    threading.Thread(target=ask, daemon=True).start()
    while True:
        rested.set()
        poll.poll()
        ring.recv(64)
        held(crunch, HELD_S / 8)


def sleepy_greenlet():
    while True:
        held(nap)
        gevent.sleep(REST_S)


def computing_greenlet():
    while True:
        held(crunch, HELD_S)
        gevent.sleep(REST_S)


def many_greenlet():
    while True:
        begin = time.time_ns()
        gevent.joinall([gevent.spawn(short_callback) for _ in range(int(HELD_S / 0.002))])
        spans.append((begin, time.time_ns()))
        gevent.sleep(REST_S)


def run_gevent():
    greenlet = {"sleep": sleepy_greenlet, "compute": computing_greenlet, "many": many_greenlet}
    gevent.spawn(greenlet[KIND]).join()


def run_asyncio():
    async def main():
        loop = asyncio.get_running_loop()
        if KIND == "compute":
            loop.call_soon(computing_callback, loop)
        task = {
            "sleep": sleepy_task,
            "await": awaiting_task,
            "many": many_task,
        }.get(KIND, quiet_task)
        await asyncio.ensure_future(task())

    if LIBRARY == "uvloop":
        uvloop.run(main())
    else:
        asyncio.run(main())


def run():
    if KIND == "selector":
        selector_loop()
    elif LIBRARY == "gevent":
        run_gevent()
    else:
        run_asyncio()


BLAMED = {
    "sleep": (nap, "sleepy_task"),
    "compute": (crunch, "computing_callback"),
    "many": (crunch, "short_callback"),
    "gil": (None, None),
    "await": (None, None),
    "selector": (crunch, None),
}
if KIND == "gil":
    threading.Thread(target=keep_gil, daemon=True).start()
thread = threading.Thread(target=run, daemon=True)
thread.start()
time.sleep(0.3)
function, task = BLAMED[KIND]
print(
    json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "tid": thread.native_id,
            "function": function and function.__name__,
            "line": function and line_of(function, "# here"),
            # What runs in a greenlet is called by nobody.
            "task": None if LIBRARY == "gevent" else task,
            "file": __file__,
        }
    ),
    flush=True,
)
while os.read(0, 4096):
    pass
print(json.dumps({"done": True, "spans": list(spans)}), flush=True)
os._exit(0)

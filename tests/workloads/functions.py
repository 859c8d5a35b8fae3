"""Calls functions of many kinds, a known number of times.

`functions.py`: waits for a byte on stdin, calls them, and ends with stdin. `functions.py twin`: calls them
under `sys.setprofile`, and tells how often each returned. `functions.py lines`: calls them under
`sys.settrace`, and tells how often each line was begun. `functions.py forever [SIZE]`: calls one all the
time in a thread, and tells how often so far, and when, for each byte on stdin.
"""

import asyncio
import json
import os
import sys
import threading
import time

FILE = os.path.abspath(__file__)


def plain(number):
    return number + 1


def recursive(number):
    if number < 2:
        return number
    return recursive(number - 1) + recursive(number - 2)


def generator(number):
    for value in range(number):
        yield value


def raising():
    raise ValueError


def catching():
    try:
        raising()
    except ValueError:
        return None


def short(): return 1  # noqa: E704


class Point:
    def __init__(self, x):
        self.x = x

    def moved(self):
        return Point(self.x + 1)


class Other:
    """A method of the same name in the same file is another function."""

    def __init__(self, x):
        self.x = x

    def moved(self):
        return self.x


async def inner():
    await asyncio.sleep(0)


async def outer():
    for _ in range(40):
        await inner()


def sorted_by_key(numbers):
    def negative(number):
        return -number

    return sorted(numbers, key=negative)


MADE = {}
exec(compile("def made():\n    return 1\n", "<made>", "exec"), MADE)


def construct():
    # In one loop each, so that versions that specialise constructors do.
    for number in range(900):
        Point(number)
    other = Other(1)
    for number in range(200):
        other.moved()
    Point(0).moved()


def work():
    for number in range(1000):
        plain(number)
    recursive(15)
    list(generator(500))
    for _ in range(300):
        catching()
    for _ in range(70):
        short()
    construct()
    asyncio.run(outer())
    sorted_by_key(range(250))
    for _ in range(60):
        MADE["made"]()


def is_ours(code):
    return os.path.abspath(code.co_filename) == FILE or code.co_filename == "<made>"


def label(code):
    return "%s:%d" % (code.co_name, code.co_firstlineno)


def twin():
    returns = {}

    def profile(frame, event, _):
        if event == "return" and is_ours(frame.f_code):
            name = label(frame.f_code)
            returns[name] = returns.get(name, 0) + 1

    sys.setprofile(profile)
    work()
    sys.setprofile(None)
    returns.pop(label(twin.__code__), None)
    return returns


def lines():
    begun = {}

    def trace(frame, event, _):
        if not is_ours(frame.f_code):
            return None
        if event == "line":
            at = "%d" % frame.f_lineno
            if frame.f_code.co_filename != "<made>":
                begun[at] = begun.get(at, 0) + 1
        return trace

    sys.settrace(trace)
    work()
    sys.settrace(None)
    return begun


called = [0]
# How much is done between two calls.
SIZE = int(sys.argv[2]) if len(sys.argv) > 2 else 300


def half():
    sum(range(SIZE))


def counted():
    called[0] += 1
    half()
    half()


def forever():
    while True:
        counted()


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    ready = {"ready": True, "pid": os.getpid()}
    if mode == "twin":
        ready["truth"] = twin()
    elif mode == "lines":
        ready["truth"] = lines()
    elif mode == "forever":
        threading.Thread(target=forever, daemon=True).start()
    print(json.dumps(ready), flush=True)
    if mode == "forever":
        while sys.stdin.buffer.raw.read(1):
            at_ns = time.monotonic_ns()
            print(json.dumps({"called": called[0], "at_ns": at_ns}), flush=True)
    elif mode == "":
        sys.stdin.read(1)
        work()
        print(json.dumps({"worked": True}), flush=True)
    sys.stdin.read()
    print(json.dumps({"done": True}), flush=True)
    sys.stdout.flush()
    os._exit(0)


main()

"""A target of `cargo xtask bench`: the same work again and again, timed by itself.

One thread computes, pinned to one CPU, in the shape that a sampler finds hardest: a
call every few instructions, below a stack of `--depth` frames. `--waiting N` adds N
threads that wait for an event that never comes.

The amount of work of one repetition is fixed before the ready line; every repetition
after it prints when it began (nanoseconds since 1970) and how long it took:

    {"ready": true, "pid": 4711, "others": [], "python": "3.11.7", "iterations": 123456}
    1795302377861643682 20012345
    ...

It runs until its stdin closes. Standard library only, CPython 3.8 and newer.
"""

import argparse
import json
import os
import select
import sys
import threading
import time

# <module>, main, descend (at the bottom once more), work, step
FIXED_FRAMES = 5


def step(value):
    return (value * 1103515245 + 12345) & 0x7FFFFFFF


def work(iterations):
    value = 1
    for _ in range(iterations):
        value = step(value)
    return value


def descend(levels, iterations):
    if levels:
        return descend(levels - 1, iterations)
    return work(iterations)


def calibrated(levels, unit_ns):
    """Iterations that take about `unit_ns`."""
    iterations = 1000
    while True:
        best = min(timed(levels, iterations) for _ in range(3))
        if best > unit_ns / 4:
            return max(1, int(iterations * unit_ns / best))
        iterations *= 4


def timed(levels, iterations):
    start = time.perf_counter_ns()
    descend(levels, iterations)
    return time.perf_counter_ns() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=FIXED_FRAMES)
    parser.add_argument("--waiting", type=int, default=0)
    parser.add_argument("--cpu", type=int, help="the CPU to stay on")
    parser.add_argument("--unit-ms", type=float, default=20)
    parser.add_argument("--idle", action="store_true", help="compute nothing")
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    never = threading.Event()
    for _ in range(arguments.waiting):
        threading.Thread(target=never.wait, daemon=True).start()
    levels = max(0, arguments.depth - FIXED_FRAMES)
    iterations = 0 if arguments.idle else calibrated(levels, arguments.unit_ms * 1e6)
    print(
        json.dumps(
            {
                "ready": True,
                "pid": os.getpid(),
                "others": [],
                "python": sys.version.split()[0],
                "iterations": iterations,
            }
        ),
        flush=True,
    )
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLERR)
    try:
        while not end.poll(None if arguments.idle else 0):
            began = time.time_ns()
            start = time.perf_counter_ns()
            descend(levels, iterations)
            print(began, time.perf_counter_ns() - start, flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    # Not through the interpreter's exit, which would wait for nobody but flush stdout.
    os._exit(0)


main()

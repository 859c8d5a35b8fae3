"""A target of `cargo xtask bench`: a thread that blocks below more frames than are walked.

`same` blocks in the same place again and again, `new` each time below functions that were
made a moment before. Prints the ready line of target.py and runs until its stdin closes.
Standard library only, CPython 3.8 and newer.
"""

import argparse
import json
import os
import select
import sys
import time

DEPTH = 400
# More than are looked at at a switch.
NEW_FUNCTIONS = 40
MAKE = """
def step{n}(levels):
    return further(levels - 1)
"""


def further(levels):
    if levels == 0:
        time.sleep(0.0001)
    elif levels <= len(steps):
        steps[levels - 1](levels)
    else:
        further(levels - 1)


def make_steps():
    scope = {"further": further}
    for n in range(NEW_FUNCTIONS):
        exec(compile(MAKE.format(n=n), "<made %d>" % time.perf_counter_ns(), "exec"), scope)
    steps[:] = [scope["step%d" % n] for n in range(NEW_FUNCTIONS)]


steps = []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", type=int, help="the CPU to stay on")
    parser.add_argument("kind", choices=("same", "new"))
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    sys.setrecursionlimit(DEPTH * 3)
    print(
        json.dumps(
            {
                "ready": True,
                "pid": os.getpid(),
                "others": [],
                "python": sys.version.split()[0],
            }
        ),
        flush=True,
    )
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLERR)
    while not end.poll(0):
        if arguments.kind == "new":
            make_steps()
        further(DEPTH)


main()

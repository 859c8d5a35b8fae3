"""A target of `cargo xtask bench` that passes its interpreter's probes: the same work again and
again, timed by itself, as `target.py` does.

`probed.py calls`: Python functions that call each other, some millions a second (`ast.unparse`).
`probed.py garbage`: cyclic garbage, which the collector takes away some hundred times a second.
`--profile`: under `cProfile`. It runs until its stdin closes. CPython 3.9 and newer.
"""

import argparse
import ast
import cProfile
import json
import os
import select
import sys
import time


def calls(tree):
    for _ in range(4):
        ast.unparse(tree)


class Node:
    def __init__(self, other):
        self.other = other


def garbage(_):
    for _ in range(40_000):
        one = Node(None)
        one.other = Node(one)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["calls", "garbage"])
    parser.add_argument("--cpu", type=int, help="the CPU to stay on")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    work = {"calls": calls, "garbage": garbage}[arguments.kind]
    with open(__file__) as file:
        tree = ast.parse(file.read())
    ready = {"ready": True, "pid": os.getpid(), "others": []}
    print(json.dumps(dict(ready, python=sys.version.split()[0])), flush=True)
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLERR)
    if arguments.profile:
        cProfile.Profile().enable()
    try:
        while not end.poll(0):
            began = time.time_ns()
            start = time.perf_counter_ns()
            work(tree)
            print(began, time.perf_counter_ns() - start, flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    os._exit(0)


main()

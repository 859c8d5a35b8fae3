"""Collects its garbage by hand, a known number of times, and times it by its own callbacks.

Waits for a byte on stdin before it begins, and for another before it ends, so that all of its
collections are in the window. The automatic collector is off."""

import gc
import json
import os
import sys
import time

ROUNDS = (40, 20, 10)
CYCLES = 1000


class Knot:
    """Refers to itself, so that only the collector frees it."""

    def __init__(self):
        self.self = self


class Times:
    """What `gc.callbacks` saw of each generation."""

    def __init__(self):
        self.generations = {}
        self.began_ns = 0
        self.began_cpu_ns = 0

    def __call__(self, phase, info):
        now_ns = time.monotonic_ns()
        now_cpu_ns = time.thread_time_ns()
        if phase == "start":
            self.began_ns = now_ns
            self.began_cpu_ns = now_cpu_ns
            return
        took_ns = now_ns - self.began_ns
        of = self.generations.setdefault(
            info["generation"],
            {"count": 0, "total_ns": 0, "cpu_ns": 0, "max_ns": 0, "collected": 0},
        )
        of["count"] += 1
        of["total_ns"] += took_ns
        of["cpu_ns"] += now_cpu_ns - self.began_cpu_ns
        of["max_ns"] = max(of["max_ns"], took_ns)
        of["collected"] += info["collected"]


def tidy_up(generation):
    for _ in range(CYCLES):
        Knot()
    gc.collect(generation)  # here


def main():
    gc.disable()
    gc.collect()
    keep = [[number] for number in range(200_000)]
    times = Times()
    # Those while the interpreter started, and the one above.
    before = sum(generation["collections"] for generation in gc.get_stats())
    print(json.dumps({"ready": True, "pid": os.getpid(), "before": before}), flush=True)
    sys.stdin.read(1)
    gc.callbacks.append(times)
    for generation, rounds in enumerate(ROUNDS):
        for _ in range(rounds):
            tidy_up(generation)
    gc.callbacks.remove(times)
    print(json.dumps({"generations": times.generations, "kept": len(keep)}), flush=True)
    sys.stdin.read()
    print(json.dumps({"done": True}), flush=True)


main()

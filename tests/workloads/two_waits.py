"""Threads that wait in two functions for the same reason, often and for known times.

Ready line: the functions. Last line: of each function its spans off the CPU by the
thread's own clocks, [[begin, nanoseconds], ...] with the begin in unix ns.
"""

import json
import os
import random
import sys
import threading
import time

THREADS = 4

spans = {"brief": [], "lengthy": []}
is_over = False


def off_cpu(name, wait):
    # What is not on a CPU between the two looks is off it; the looks themselves cancel out.
    begin, began, ran = time.time_ns(), time.perf_counter_ns(), time.thread_time_ns()
    wait()
    took = time.perf_counter_ns() - began
    ran = time.thread_time_ns() - ran
    spans[name].append((begin, max(0, took - ran)))


def brief():
    time.sleep(0.0001)


def lengthy():
    time.sleep(0.0006)


def work(seed):
    chance = random.Random(seed)
    while not is_over:
        if chance.random() < 0.75:
            off_cpu("brief", brief)
        else:
            off_cpu("lengthy", lengthy)


threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(THREADS)]
for thread in threads:
    thread.start()
print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
sys.stdin.read()
is_over = True
for thread in threads:
    thread.join()
print(json.dumps({"done": True, "spans": spans}), flush=True)

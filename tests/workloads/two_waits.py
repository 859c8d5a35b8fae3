"""Threads that wait in two functions for the same reason, often and for known times.

Last line: of each function how long it was blocked each time, by the thread's own clocks and
the scheduler's word of how long it was ready, [[begin, nanoseconds], ...] with the begin in
unix ns.
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


def blocked(name, wait, schedstat):
    # What is neither on a CPU nor ready for one.
    ready = int(os.pread(schedstat, 64, 0).split()[1])
    begin, began, ran = time.time_ns(), time.perf_counter_ns(), time.thread_time_ns()
    wait()
    took = time.perf_counter_ns() - began
    ran = time.thread_time_ns() - ran
    ready = int(os.pread(schedstat, 64, 0).split()[1]) - ready
    spans[name].append((begin, max(0, took - ran - ready)))


def brief():
    time.sleep(0.0001)


def lengthy():
    time.sleep(0.0006)


def work(seed):
    chance = random.Random(seed)
    schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    while not is_over:
        if chance.random() < 0.75:
            blocked("brief", brief, schedstat)
        else:
            blocked("lengthy", lengthy, schedstat)


threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(THREADS)]
for thread in threads:
    thread.start()
print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
sys.stdin.read()
is_over = True
for thread in threads:
    thread.join()
print(json.dumps({"done": True, "spans": spans}), flush=True)

"""Threads born while it is watched, each with some work and a nap.

`born.py [THREADS CPU_MICROSECONDS]`

The last line has, per thread, its CPU time and its life by its own clocks, and
checkpoints of the CPU clock of the whole process.
"""

import json
import os
import sys
import threading
import time

THREADS, CPU_NS = 200, 3_000_000
if sys.argv[1:]:
    THREADS, CPU_NS = int(sys.argv[1]), int(sys.argv[2]) * 1000

lives = []
process_clock = []
go = threading.Event()


def compute_briefly():
    total = 0
    while time.thread_time_ns() < CPU_NS:
        total += sum(range(100))
    return total


def nap_briefly():
    begin = time.monotonic_ns()
    time.sleep(0.01)
    return time.monotonic_ns() - begin


def live():
    born = time.time_ns()
    compute_briefly()
    napped_ns = nap_briefly()
    cpu_ns = time.thread_time_ns()
    lives.append(
        {
            "tid": threading.get_native_id(),
            "born": born,
            "died": time.time_ns(),
            "cpu_ns": cpu_ns,
            "napped_ns": napped_ns,
        }
    )


def breed():
    go.wait()
    for _ in range(THREADS // 4):
        process_clock.append((time.time_ns(), time.process_time_ns()))
        threads = [threading.Thread(target=live) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    process_clock.append((time.time_ns(), time.process_time_ns()))
    print(json.dumps({"bred": len(lives)}), flush=True)


breeder = threading.Thread(target=breed, daemon=True)
breeder.start()
print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
# One byte: begin. End of file: end.
os.read(0, 1)
go.set()
while os.read(0, 4096):
    pass
breeder.join()
print(json.dumps({"done": True, "lives": lives, "process_clock": process_clock}), flush=True)
sys.stdout.flush()
os._exit(0)

"""Threads whose times are known: computing, sleeping, receiving, a duty cycle, parked.

Ready line: what each thread is, by role. Last line: per role the checkpoints of its CPU
clock, [[unix ns, cpu ns], ...], and the waits it saw around its own calls,
[[begin, end], ...] in unix ns.
"""

import json
import os
import socket
import sys
import threading
import time

from truth import line_of

PARKED = 3
NUMBERS = range(20_000)

clocks = {}
waits = {"sleep": [], "receive": [], "duty": []}


def churn():
    total = 0
    for number in NUMBERS:
        total += number * number % 7 + number // 3 - number % 11  # here
    return total


def compute():
    while True:
        churn()


def nap():
    while True:
        begin = time.time_ns()
        time.sleep(0.02)  # here
        waits["sleep"].append((begin, time.time_ns()))


def receive(inbox):
    while True:
        begin = time.time_ns()
        inbox.recv(64)  # here
        waits["receive"].append((begin, time.time_ns()))


def feed(outbox):
    while True:
        time.sleep(0.03)
        outbox.send(b"x")


def burst(until):
    total = 0
    while time.thread_time_ns() < until:
        for number in range(200):
            total += number * number % 7
    return total


def rest():
    begin = time.time_ns()
    time.sleep(0.07)  # here
    waits["duty"].append((begin, time.time_ns()))


def duty():
    while True:
        burst(time.thread_time_ns() + 30_000_000)
        rest()


def park(never):
    never.recv(1)  # here


def sample():
    """Notes every thread's CPU clock with the moment at which it was read."""
    sources = [(role, time.pthread_getcpuclockid(t.ident)) for role, t in threads.items()]
    while True:
        for role, clock in sources:
            before = time.time_ns()
            value = time.clock_gettime_ns(clock)
            after = time.time_ns()
            # Another thread may have taken the GIL in between, or the machine the CPU.
            if after - before < 200_000:
                clocks[role].append((before + (after - before) // 2, value))
        time.sleep(0.008)


def until_end():
    while os.read(0, 4096):
        pass


def connected():
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        return ours, theirs


inbox, outbox = connected()
never, other_end = connected()
threads = {
    "compute": threading.Thread(target=compute, daemon=True),
    "sleep": threading.Thread(target=nap, daemon=True),
    "receive": threading.Thread(target=receive, args=(inbox,), daemon=True),
    "feed": threading.Thread(target=feed, args=(outbox,), daemon=True),
    "duty": threading.Thread(target=duty, daemon=True),
}
for number in range(PARKED):
    threads["park%d" % number] = threading.Thread(target=park, args=(never,), daemon=True)
# Parked threads first: they are at rest when the others make a noise.
for role in sorted(threads, reverse=True):
    threads[role].start()
threads["sample"] = threading.Thread(target=sample, daemon=True)
clocks.update((role, []) for role in threads)
threads["sample"].start()
while min(len(checkpoints) for checkpoints in clocks.values()) < 2:
    time.sleep(0.01)

print(
    json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "tids": {role: thread.native_id for role, thread in threads.items()},
            "main": threading.get_native_id(),
            "file": __file__,
            "lines": {f.__name__: line_of(f, "# here") for f in (churn, nap, receive, rest, park)},
        }
    ),
    flush=True,
)
until_end()
print(json.dumps({"done": True, "clocks": clocks, "waits": waits}), flush=True)
sys.stdout.flush()
os._exit(0)

"""Waiting for a lock: one thread wants what another holds for 50 ms at a time.

The holder rests while it holds the lock, so that nobody computes and the GIL is free.
"""

import threading
import time

from truth import Stop, Workload

HELD_SECONDS = 0.05

LOCK = threading.Lock()
SPANS = []


def take(lock):
    lock.acquire()  # here


def want(workload):
    workload.thread_begins()
    while not workload.stopping:
        begin = time.time_ns()
        take(LOCK)
        SPANS.append((begin, time.time_ns()))
        LOCK.release()
        # The holder's turn.
        time.sleep(0.005)
    workload.thread_ends()


def hold(workload):
    while not workload.stopping:
        with LOCK:
            time.sleep(HELD_SECONDS)
        time.sleep(0.001)


def main():
    workload = Workload()
    threads = [threading.Thread(target=part, args=(workload,)) for part in (want, hold)]
    try:
        workload.ready("lock-bound", "lock", take, "waits for a lock that is held for 50 ms")
        for thread in threads:
            thread.start()
        threading.Event().wait()
    except Stop:
        pass
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    workload.done(spans=SPANS)


main()

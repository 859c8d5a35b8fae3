"""Threads that wait for one another: `wakers.py locks`, `gil` or `blocked`.

Ready line: per waiting function its thread, and the function that ends its waits (null:
nobody does, or another process), with the line of that and its thread. Last line: per
waiting function the spans of its waits, [[begin, end], ...], unix ns.
"""

import ctypes
import json
import multiprocessing
import os
import queue
import random
import sys
import threading
import time

from named_threads import TIDS, start
from truth import line_of
from waits.common import clean_up, in_child

#: How long something is held.
HELD = 0.03

#: Calls into it keep the GIL.
WITH_GIL = ctypes.PyDLL(None)

#: By function: the spans of its waits.
SPANS = {}
#: By waiting function: the one that ends its waits.
ENDED_BY = {}


def waiting(function, by, *arguments):
    """Starts a function that waits, and the one that ends its waits at `# release`."""
    SPANS[function.__name__] = []
    ENDED_BY[function.__name__] = by
    if by:
        start(by, *arguments)
    start(function, *arguments)


def noted(function, begun):
    SPANS[function.__name__].append((begun, time.time_ns()))


def hold_lock(lock):
    while True:
        lock.acquire()
        time.sleep(HELD)
        lock.release()  # release
        time.sleep(0.002)


def wait_for_lock(lock):
    while True:
        begun = time.time_ns()
        lock.acquire()
        noted(wait_for_lock, begun)
        lock.release()
        time.sleep(0.003)


def hold_rlock(lock):
    while True:
        lock.acquire()
        lock.acquire()
        time.sleep(HELD)
        lock.release()
        lock.release()  # release
        time.sleep(0.002)


def wait_for_rlock(lock):
    while True:
        begun = time.time_ns()
        lock.acquire()
        noted(wait_for_rlock, begun)
        lock.release()
        time.sleep(0.003)


def release_for_another(lock):
    while True:
        time.sleep(HELD)
        if lock.locked():
            lock.release()  # release


def wait_for_third(lock):
    """It has the lock itself, and another thread releases it."""
    while True:
        begun = time.time_ns()
        lock.acquire()
        noted(wait_for_third, begun)


def change(changed):
    while True:
        time.sleep(HELD)
        with changed:
            changed.notify_all()  # release


def wait_for_change(changed):
    with changed:
        while True:
            begun = time.time_ns()
            changed.wait()
            noted(wait_for_change, begun)


def put_item(inbox):
    while True:
        time.sleep(HELD)
        inbox.put(1)  # release


def wait_for_item(inbox):
    while True:
        begun = time.time_ns()
        inbox.get()
        noted(wait_for_item, begun)


def set_event(event):
    while True:
        time.sleep(HELD)
        event.set()  # release


def wait_for_event(event):
    while True:
        begun = time.time_ns()
        event.wait()
        event.clear()
        noted(wait_for_event, begun)


def wait_in_vain(lock):
    while True:
        begun = time.time_ns()
        lock.acquire(timeout=HELD)
        noted(wait_in_vain, begun)


def wait_for_process(lock):
    while True:
        begun = time.time_ns()
        lock.acquire()
        noted(wait_for_process, begun)
        lock.release()
        time.sleep(0.003)


def locks():
    lock = multiprocessing.Lock()

    def hold():
        lock.acquire()
        time.sleep(HELD)
        lock.release()
        time.sleep(0.002)

    in_child(hold)
    waiting(wait_for_process, None, lock)
    lock = threading.Lock()
    lock.acquire()
    waiting(wait_in_vain, None, lock)
    waiting(wait_for_lock, hold_lock, threading.Lock())
    waiting(wait_for_rlock, hold_rlock, threading.RLock())
    waiting(wait_for_third, release_for_another, threading.Lock())
    waiting(wait_for_change, change, threading.Condition())
    waiting(wait_for_item, put_item, queue.Queue())
    waiting(wait_for_event, set_event, threading.Event())


def compute():
    total = 0
    for number in range(2_000):
        total += number * number % 7
    return total


def innocent():
    """Gives the GIL back when it is asked to."""
    while True:
        compute()


def innocent_too():
    while True:
        compute()


def hold_gil(number):
    """One long call of C. The GIL is not released here: there is nothing that waits."""
    begun = time.time_ns()
    number * number
    noted(hold_gil, begun)


def release_gil():
    time.sleep(0.002)


def culprit(number):
    while True:
        hold_gil(number)
        release_gil()


def huge(seconds):
    """A number that takes at least so long to multiply by itself."""
    bits = 100_000
    while True:
        number = random.getrandbits(bits)
        begun = time.thread_time()
        number * number
        if time.thread_time() - begun > seconds:
            return number
        bits = bits * 3 // 2


def gil():
    number = huge(0.25)
    SPANS["hold_gil"] = []
    start(innocent)
    start(innocent_too)
    start(culprit, number)


def hold_gil_asleep():
    """Blocks without giving the GIL to others."""
    begun = time.time_ns()
    WITH_GIL.usleep(100_000)
    noted(hold_gil_asleep, begun)


def culprit_asleep():
    while True:
        hold_gil_asleep()
        release_gil()


def blocked():
    SPANS["hold_gil_asleep"] = []
    start(innocent)
    start(culprit_asleep)


def main():
    {"locks": locks, "gil": gil, "blocked": blocked}[sys.argv[1]]()
    truth = {
        name: {
            "tid": TIDS[name],
            "by": by and by.__name__,
            "by_tid": by and TIDS[by.__name__],
            "by_line": by and line_of(by, "# release"),
        }
        for name, by in ENDED_BY.items()
    }
    print(json.dumps({"ready": True, "pid": os.getpid(), "waits": truth, "tids": TIDS}), flush=True)
    while os.read(0, 4096):
        pass
    print(json.dumps({"done": True, "spans": SPANS}), flush=True)
    try:
        clean_up()
    finally:
        # Without the interpreter's end: its threads still wait.
        os._exit(0)


main()

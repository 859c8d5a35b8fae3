"""Loops that make no system call: `python_spin.py KIND`, or `--kinds` for a list. Those of
`SPINS` only wait; those of `WORKS` look like it and do something.
"""

import collections
import concurrent.futures
import hashlib
import heapq
import os
import queue
import random
import sys
import threading
import time

from truth import Stop, Workload


class Settings:
    """Something that another thread would change."""

    def __init__(self):
        self.generation = 1
        self.looks = 0
        self.items = collections.deque()

    @property
    def fresh(self):
        return self.generation != 1

    @property
    def counted(self):
        self.looks += 1
        return self.generation != 1

    def __bool__(self):
        self.looks += 1
        return False


def attribute(settings):
    while settings.generation == 1:  # here
        pass


def by_property(settings):
    while not settings.fresh:  # here
        pass


def event():
    done = threading.Event()
    while not done.is_set():  # here
        pass


def clock():
    until = time.monotonic() + 3600
    while time.monotonic() < until:  # here
        pass


def deadline():
    done, until = threading.Event(), time.monotonic() + 3600
    while not done.is_set() and time.monotonic() < until:  # here
        pass


def remaining():
    until = time.time() + 3600
    while True:
        left = until - time.time()  # here
        if left <= 0:
            break


def take_nowait():
    jobs = queue.Queue()
    while True:
        try:
            job = jobs.get_nowait()  # here
        except queue.Empty:
            continue
        print(job)


def until_not_empty():
    jobs = queue.Queue()
    while jobs.empty():  # here
        pass


def try_lock():
    lock = threading.Lock()
    lock.acquire()
    while not lock.acquire(False):  # here
        pass


def alive():
    other = threading.Thread(target=time.sleep, args=(3600,), daemon=True)
    other.start()
    while other.is_alive():  # here
        pass


def future_done():
    future = concurrent.futures.Future()
    while not future.done():  # here
        pass


def any_item(settings):
    while True:
        if settings.items:  # here
            print(settings.items.popleft())


def look_up():
    registry = {"members": 3}
    while registry.get("leader") is None:  # here
        pass


def file_there(path):
    while os.path.exists(path):  # here
        pass


def proof_of_work(prefix):
    while True:
        nonce = random.getrandbits(64)
        if hashlib.sha256(prefix + nonce.to_bytes(8, "little")).digest()[:6] == b"\0" * 6:  # here
            return nonce


def until_deadline(inside, deadline):
    while time.monotonic() < deadline:  # here
        x, y = random.random(), random.random()
        inside.append(x * x + y * y < 1)
        inside.pop()


def drain(jobs):
    while True:
        try:
            jobs.put_nowait(jobs.get_nowait())  # here
        except queue.Empty:
            return


def counting_truth(settings):
    while not settings:  # here
        pass


def counting_property(settings):
    while not settings.counted:  # here
        pass


class Pump(queue.Queue):
    """A queue that does its work where it is asked how long it is."""

    def __init__(self):
        super().__init__()
        self.pumped = 0

    def _qsize(self):
        self.pumped += 1
        return 0


def pump(jobs):
    while jobs.empty():  # here
        pass


def rotate(items):
    while items[0] < 0 or len(items) > 3:  # here
        items.rotate(1)


def newton(target):
    guess = target
    while abs(guess * guess - target) >= 0:  # here
        guess = (guess + target / guess) / 2


def heap(pending):
    while pending:
        heapq.heappush(pending, heapq.heappop(pending) + 1)  # here


def advance(numbers):
    while next(numbers) >= 0:  # here
        pass


def consume(numbers):
    for number in numbers:  # here
        if number < 0:
            return


def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


def again():
    while True:
        fibonacci(20)  # here


def forever():
    number = 0
    while True:
        number += 1
        yield number


SPINS = {
    "attribute": ("flag-spin", attribute, lambda: (Settings(),)),
    "by_property": ("flag-spin", by_property, lambda: (Settings(),)),
    "event": ("flag-spin", event, tuple),
    "clock": ("clock-spin", clock, tuple),
    "deadline": ("flag-spin", deadline, tuple),
    "remaining": ("clock-spin", remaining, tuple),
    "take_nowait": ("flag-spin", take_nowait, tuple),
    "until_not_empty": ("flag-spin", until_not_empty, tuple),
    "try_lock": ("flag-spin", try_lock, tuple),
    "alive": ("flag-spin", alive, tuple),
    "future_done": ("flag-spin", future_done, tuple),
    "any_item": ("flag-spin", any_item, lambda: (Settings(),)),
    "look_up": ("flag-spin", look_up, tuple),
    "file_there": ("poll-spin", file_there, lambda: (os.path.abspath(__file__),)),
}

WORKS = {
    "proof_of_work": (proof_of_work, lambda: (b"block",)),
    "until_deadline": (until_deadline, lambda: ([], time.monotonic() + 3600)),
    "drain": (drain, lambda: (filled(queue.Queue()),)),
    "counting_truth": (counting_truth, lambda: (Settings(),)),
    "counting_property": (counting_property, lambda: (Settings(),)),
    "pump": (pump, lambda: (Pump(),)),
    "rotate": (rotate, lambda: (collections.deque(range(1000)),)),
    "newton": (newton, lambda: (2.0,)),
    "heap": (heap, lambda: (list(range(1000)),)),
    "advance": (advance, lambda: (forever(),)),
    "again": (again, tuple),
    "consume": (consume, lambda: (forever(),)),
}


def filled(jobs):
    for number in range(100):
        jobs.put(number)
    return jobs


def main():
    kind = sys.argv.pop(1)
    if kind == "--kinds":
        print(*SPINS, *WORKS)
        return
    workload = Workload()
    try:
        if kind in SPINS:
            detail, function, arguments = SPINS[kind]
            arguments = arguments()
            workload.ready("busy-waiting", detail, function, "spin: " + kind)
        else:
            function, arguments = WORKS[kind]
            arguments = arguments()
            workload.ready("cpu-bound", None, function, "work: " + kind)
        function(*arguments)
    except Stop:
        pass
    workload.done()


main()

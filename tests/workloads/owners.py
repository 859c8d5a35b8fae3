"""Threads that wait for locks that nobody releases: `owners.py [deadlock]`.

Ready line: per waiting function its thread, what kind of lock it waits for, and the thread
and function of the owner (null: the lock keeps none), or the process that has a file's lock.
With `deadlock` two of them have each other's; `deadlock` is then their threads.
"""

import fcntl
import json
import multiprocessing
import os
import sys
import threading
import time

from named_threads import TIDS, start
from truth import line_of
from waits.common import clean_up, folder, in_child

#: By waiting function: what is true of its wait.
WAITS = {}


def place(owner):
    """The line in which an owner is: those of a deadlock wait themselves."""
    return line_of(owner, "# waits" if owner in (take_first, take_second) else "# here")


def waiting(function, kind, owner, *arguments):
    start(function, *arguments)
    WAITS[function.__name__] = {
        "tid": TIDS[function.__name__],
        "line": line_of(function, "# waits"),
        "kind": kind,
        "holder_pid": None,
        "owner_tid": owner and TIDS[owner.__name__],
        "owner_function": owner and owner.__name__,
        "owner_line": owner and place(owner),
    }


def keep(lock, is_held):
    lock.acquire()
    lock.acquire()
    is_held.set()
    while True:
        time.sleep(1000)  # here


def keep_other(lock, is_held):
    with lock:
        is_held.set()
        threading.Event().wait()  # here


def wait_in_with(lock):
    with lock:  # waits
        pass


def wait_in_call(lock, beside, another):
    """Others are at hand that are not waited for."""
    beside, another = another, beside
    lock.acquire()  # waits
    return beside, another


def wait_for_plain(lock, beside, another):
    """So are locks that have an owner."""
    beside, another = another, beside
    with lock:  # waits
        return beside, another


def wait_for_timed(lock, seconds):
    while True:
        lock.acquire(timeout=seconds)  # waits


def wait_for_changed(changed):
    with changed:
        changed.wait()  # waits


def wait_for_process(lock):
    lock.acquire()  # waits


def wait_for_flock(fd):
    fcntl.flock(fd, fcntl.LOCK_EX)  # waits


def wait_for_lockf(fd):
    fcntl.lockf(fd, fcntl.LOCK_EX)  # waits


def take_first(first, second, both):
    with first:
        both.wait()
        with second:  # waits
            pass


def take_second(first, second, both):
    with second:
        both.wait()
        with first:  # waits
            pass


def wait_for_deadlocked(first):
    with first:  # waits
        pass


def main():
    lock, other, plain = threading.RLock(), threading.RLock(), threading.Lock()
    for keeper, kept in [(keep, lock), (keep_other, other)]:
        is_held = threading.Event()
        start(keeper, kept, is_held)
        is_held.wait()
    plain.acquire()
    process_lock = multiprocessing.Lock()
    where = folder()
    calls = [fcntl.flock, fcntl.lockf]
    paths = [os.path.join(where, call.__name__) for call in calls]
    is_held, say_held = os.pipe()
    kept = []

    def keep_all():
        if not kept:
            process_lock.acquire()
            for call, path in zip(calls, paths):
                kept.append(os.open(path, os.O_RDWR | os.O_CREAT))
                call(kept[-1], fcntl.LOCK_EX)
            os.write(say_held, b"%d" % os.getpid())
        time.sleep(0.05)

    in_child(keep_all)
    child = int(os.read(is_held, 16))
    for function, path in [(wait_for_flock, paths[0]), (wait_for_lockf, paths[1])]:
        waiting(function, "file", None, os.open(path, os.O_RDWR))
        WAITS[function.__name__]["holder_pid"] = child
    waiting(wait_in_with, "rlock", keep, lock)
    waiting(wait_in_call, "rlock", keep_other, other, plain, lock)
    waiting(wait_for_plain, "lock", None, plain, lock, other)
    is_deadlock = sys.argv[1:] == ["deadlock"]
    # Without a deadlock that wait ends again and again.
    waiting(wait_for_timed, "rlock", keep, lock, 600 if is_deadlock else 3)
    waiting(wait_for_changed, "lock", None, threading.Condition())
    waiting(wait_for_process, "multiprocessing", None, process_lock)
    deadlock = []
    if is_deadlock:
        first, second, both = threading.RLock(), threading.RLock(), threading.Barrier(2)
        start(take_first, first, second, both)
        waiting(take_second, "rlock", take_first, first, second, both)
        WAITS["take_first"] = {
            "tid": TIDS["take_first"],
            "line": line_of(take_first, "# waits"),
            "kind": "rlock",
            "holder_pid": None,
            "owner_tid": TIDS["take_second"],
            "owner_function": "take_second",
            "owner_line": place(take_second),
        }
        waiting(wait_for_deadlocked, "rlock", take_first, first)
        deadlock = sorted([TIDS["take_first"], TIDS["take_second"]])
    time.sleep(0.2)
    print(
        json.dumps({"ready": True, "pid": os.getpid(), "waits": WAITS, "deadlock": deadlock}),
        flush=True,
    )
    while os.read(0, 4096):
        pass
    print(json.dumps({"done": True}), flush=True)
    try:
        clean_up()
    finally:
        # Without the interpreter's end: its threads still wait.
        os._exit(0)


main()

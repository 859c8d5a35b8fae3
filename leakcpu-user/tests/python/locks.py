"""Threads that wait for locks, for ever: prints of each its kernel thread, and the lock.

One line of JSON: {"what": {"tid", "kind", "owner", "taken", "has_timeout"}, ...}; `kind` is
null for what is no lock, `owner` the `get_ident()` of the thread that has it, where the lock
records that.
"""

import ctypes
import json
import multiprocessing
import queue
import sys
import threading
import time

LONG = 1000
TIDS = {}
TRUTH = {}


def start(what, function, *arguments):
    def run():
        TIDS[what] = threading.get_native_id()
        function(*arguments)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while what not in TIDS:
        time.sleep(0.001)
    return thread


def waits(what, kind, owner, taken, function, *arguments, **more):
    """Starts a thread that waits in `function`."""
    start(what, function, *arguments)
    TRUTH[what] = {
        "tid": TIDS[what],
        "kind": kind,
        "owner": owner,
        "taken": taken,
        "has_timeout": more.get("has_timeout", False),
    }


def held(lock, times):
    """`get_ident()` of a thread that has taken the lock so often and keeps it."""
    taken = []

    def hold():
        for _ in range(times):
            lock.acquire()
        taken.append(threading.get_ident())
        threading.Event().wait()

    threading.Thread(target=hold, daemon=True).start()
    while not taken:
        time.sleep(0.001)
    return taken[0]


def enter(lock):
    with lock:
        pass


def acquire(lock):
    lock.acquire()


def acquire_timed(lock):
    lock.acquire(True, LONG)


def enter_beside(lock, other, more):
    """Other locks are at hand, and not waited for."""
    another = other
    with lock:
        return another, more


def wait_in_vain(changed):
    with changed:
        changed.wait()


class Guarded:
    def __init__(self, lock):
        self.lock = lock

    def change(self):
        """The lock is in no local variable."""
        with self.lock:
            pass


def main():
    first, second, third = (threading.RLock() for _ in range(3))
    owner, other_owner, main_owner = held(first, 1), held(second, 3), threading.get_ident()
    third.acquire()
    plain = threading.Lock()
    plain.acquire()
    condition = threading.Condition()
    condition_owner = held(condition, 1)

    waits("rlock in with", "RLock", owner, 1, enter, first)
    waits("rlock acquired", "RLock", owner, 1, acquire, first)
    waits("rlock taken three times", "RLock", other_owner, 3, enter, second)
    waits("rlock of the main thread", "RLock", main_owner, 1, enter, third)
    waits("rlock as an attribute", "RLock", owner, 1, Guarded(first).change)
    waits("rlock, timed", "RLock", owner, 1, acquire_timed, first, has_timeout=True)
    waits("a condition's rlock", "RLock", condition_owner, 1, enter, condition)
    waits("lock beside rlocks", "Lock", None, 0, enter_beside, plain, first, [second])
    waits("rlock beside others", "RLock", owner, 1, enter_beside, first, plain, [second])
    waits("lock in with", "Lock", None, 0, enter, plain)
    waits("lock, timed", "Lock", None, 0, acquire_timed, plain, has_timeout=True)
    waits("a condition", "Lock", None, 0, wait_in_vain, threading.Condition())
    waits("a queue", "Lock", None, 0, queue.Queue().get)
    process_lock = multiprocessing.Lock()
    process_lock.acquire()
    waits("a lock of multiprocessing", "SemLock", None, 0, enter, process_lock)
    libc = ctypes.CDLL(None)
    semaphore = ctypes.create_string_buffer(64)
    libc.sem_init(semaphore, 0, 0)
    waits("a semaphore of C", None, None, 0, libc.sem_wait, semaphore)
    ending = start("ending", threading.Event().wait)
    # A lock up to 3.12, an event of the parking lot later.
    join = "Lock" if sys.version_info < (3, 13) else None
    waits("the end of a thread", join, None, 0, ending.join)
    while not all_wait():
        pass
    print(json.dumps(TRUTH), flush=True)
    sys.stdin.read()


def all_wait():
    """Whether each is at a futex, and at the same one a moment later: at no GIL's."""
    before = futexes()
    time.sleep(0.03)
    return None not in before and before == futexes()


def futexes():
    found = []
    for truth in TRUTH.values():
        with open("/proc/self/task/%d/syscall" % truth["tid"]) as file:
            words = file.read().split()
        found.append(words[1] if words[0] == "202" else None)
    return found


main()

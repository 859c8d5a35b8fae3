"""Waits for locks of several kinds."""

import ctypes
import fcntl
import multiprocessing
import os
import queue
import threading
import time

from .common import every, folder, in_child, waits

HELD = 0.03
ELSE = ("sleep", "kernel-other", "futex", "poll-wait")


def hold(lock):
    """Holds a lock most of the time, in a thread that nobody looks at."""

    def once():
        with lock:
            time.sleep(HELD)

    every(0.005, once)


@waits("lock", "threading.Lock", never=ELSE)
def plain_lock(wait):
    lock = threading.Lock()
    hold(lock)
    wait.ready()
    while True:
        begun = wait.begin()
        lock.acquire()  # here
        lock.release()
        wait.end(begun)
        pause()


def pause():
    time.sleep(0.006)


@waits("lock", "threading.Condition", never=ELSE)
def condition(wait):
    changed = threading.Condition()

    def change():
        with changed:
            changed.notify_all()

    every(HELD, change)
    wait.ready()
    with changed:
        while True:
            begun = wait.begin()
            changed.wait()  # here
            wait.end(begun)


@waits("lock", "queue.Queue.get", never=ELSE)
def queue_get(wait):
    inbox = queue.Queue()
    every(HELD, lambda: inbox.put(1))
    wait.ready()
    while True:
        begun = wait.begin()
        inbox.get()  # here
        wait.end(begun)


@waits("lock", "Thread.join", never=ELSE)
def join(wait):
    wait.ready()
    while True:
        thread = threading.Thread(target=time.sleep, args=(HELD,))
        thread.start()
        begun = wait.begin()
        thread.join()  # here
        wait.end(begun)


def hold_in_child(lock):
    """Holds a lock most of the time, in another process."""

    def once():
        lock.acquire()
        time.sleep(HELD)
        lock.release()
        time.sleep(0.005)

    in_child(once)


@waits("lock", "multiprocessing.Lock, held by another process", never=ELSE)
def process_lock(wait):
    lock = multiprocessing.Lock()
    hold_in_child(lock)
    wait.ready()
    while True:
        begun = wait.begin()
        lock.acquire()  # here
        lock.release()
        wait.end(begun)
        pause()


class FileLock:
    """A file lock of an open file of its own."""

    def __init__(self, path, call):
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.call = call

    def acquire(self):
        self.call(self.fd, fcntl.LOCK_EX)

    def release(self):
        self.call(self.fd, fcntl.LOCK_UN)


@waits("lock", "flock, held by another process", never=ELSE + ("disk-read", "disk-write"))
def file_lock(wait):
    path = os.path.join(folder(), "flock")
    hold_in_child(FileLock(path, fcntl.flock))
    own = os.open(path, os.O_RDWR)
    wait.ready(file=path)
    while True:
        begun = wait.begin()
        fcntl.flock(own, fcntl.LOCK_EX)  # here
        fcntl.flock(own, fcntl.LOCK_UN)
        wait.end(begun)
        pause()


@waits("lock", "lockf, held by another process", never=ELSE + ("disk-read", "disk-write"))
def record_lock(wait):
    path = os.path.join(folder(), "lockf")
    hold_in_child(FileLock(path, fcntl.lockf))
    own = os.open(path, os.O_RDWR)
    wait.ready(file=path)
    while True:
        begun = wait.begin()
        fcntl.lockf(own, fcntl.LOCK_EX)  # here
        fcntl.lockf(own, fcntl.LOCK_UN)
        wait.end(begun)
        pause()


@waits("lock", "a semaphore of C, waited for in a call from Python", never=["sleep"])
def c_semaphore(wait):
    libc = ctypes.CDLL(None)
    semaphore = ctypes.create_string_buffer(64)
    libc.sem_init(semaphore, 0, 0)
    every(HELD, lambda: libc.sem_post(semaphore))
    wait.ready()
    while True:
        begun = wait.begin()
        libc.sem_wait(semaphore)  # here
        wait.end(begun)

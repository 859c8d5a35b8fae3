"""A thread of C in a process of Python."""

import ctypes
import os

from .common import waits


@waits("futex", "a thread of C that never ran Python, at a semaphore", never=["lock", "gil"])
def native_thread(wait):
    libc = ctypes.CDLL(None)
    semaphores = [ctypes.create_string_buffer(64) for _ in range(2)]
    for semaphore in semaphores:
        libc.sem_init(semaphore, 0, 0)
    thread = ctypes.c_ulong()
    before = set(os.listdir("/proc/self/task"))
    # sem_wait is what the thread runs, for ever: its value is never positive.
    libc.pthread_create(ctypes.byref(thread), None, libc.sem_wait, semaphores[0])
    for tid in set(os.listdir("/proc/self/task")) - before:
        wait.ready(native_tid=int(tid))
    begun = wait.begin()
    wait.for_ever(begun)
    libc.sem_wait(semaphores[1])  # here

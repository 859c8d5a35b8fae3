"""Threads that fight for the GIL and one that waits for a lock."""

import sys
import threading

lock = threading.Lock()
lock.acquire()
lock_waiter = []


def spin():
    while True:
        pass


def wait():
    lock_waiter.append(threading.get_native_id())
    lock.acquire()


spinners = [threading.Thread(target=spin, daemon=True) for _ in range(3)]
waiter = threading.Thread(target=wait, daemon=True)
waiter.start()
while not lock_waiter:
    pass
for thread in spinners:
    thread.start()
while any(thread.native_id is None for thread in spinners):
    pass
print(lock_waiter[0], *[thread.native_id for thread in spinners], flush=True)
sys.stdin.readline()

"""Wants a lock that belongs to several processes; another one has it most of the time."""

import multiprocessing
import time

import own_clocks


def hog(lock):
    while True:
        with lock:
            time.sleep(0.05)


def update(lock, counter):
    with own_clocks.waiting("lock"):
        lock.acquire()  # here
    counter.value += 1
    lock.release()


def main():
    context = multiprocessing.get_context("fork")
    lock = context.Lock()
    counter = context.Value("i", 0, lock=False)
    for _ in range(2):
        context.Process(target=hog, args=(lock,), daemon=True).start()
    own_clocks.ready()
    while True:
        update(lock, counter)


main()

"""Collects thumbnails by asking every future whether it is done, in a circle."""

import threading
from concurrent.futures import ThreadPoolExecutor

import own_clocks


def thumbnail(upload, stuck):
    stuck.wait()  # An upload that never completes.
    return upload


def gather(futures):
    while not all(future.done() for future in futures):  # here
        pass  # here
    return [future.result() for future in futures]


def main():
    stuck = threading.Event()
    pool = ThreadPoolExecutor(4)
    futures = [pool.submit(thumbnail, upload, stuck) for upload in range(4)]
    own_clocks.ready()
    gather(futures)


main()

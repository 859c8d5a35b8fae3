"""Sorts letters while a thread that sleeps is alive: asks for it, and works between two looks."""

import itertools
import threading
import time

import own_clocks


def upload():
    time.sleep(36_000)


def sort_until(uploader, letters, boxes):
    while uploader.is_alive():  # here
        code, weight = next(letters)  # here
        box = boxes[code % len(boxes)]  # here
        box[code] = box.get(code, 0) + weight  # here
    return boxes


def main():
    uploader = threading.Thread(target=upload, daemon=True)
    uploader.start()
    letters = itertools.cycle([(n * 7919 % 100_003, n % 50) for n in range(5_000)])
    own_clocks.ready()
    sort_until(uploader, letters, [{} for _ in range(9)])


main()

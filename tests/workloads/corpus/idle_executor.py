"""A process pool's parent and children, warm and without work; the parent sleeps an hour."""

import multiprocessing
import time

import own_clocks


def square(n):
    return n * n


def main():
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(square, range(30))
        own_clocks.ready()
        while True:
            time.sleep(3600)


main()

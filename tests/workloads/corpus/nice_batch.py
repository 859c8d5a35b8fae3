"""A polite batch job on the CPU of an impolite neighbour."""

import os

import own_clocks


def neighbour():
    while True:
        pass


class Collatz:
    def __init__(self):
        self.longest = 0

    def steps(self, n):
        count = 0
        while n != 1:  # here
            n = n // 2 if n % 2 == 0 else 3 * n + 1  # here
            count += 1  # here
        return count

    def run(self):
        start = 1
        while True:
            start += 1
            self.longest = max(self.longest, self.steps(start))


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if os.fork() == 0:
        neighbour()
    os.nice(5)
    own_clocks.ready()
    Collatz().run()


main()

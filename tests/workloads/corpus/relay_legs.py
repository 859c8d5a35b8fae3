"""Adds up legs of a route until a partner stands at the barrier, and the partner sleeps: it asks
between two pieces of work."""

import threading
import time

import own_clocks


class Route:
    def __init__(self):
        self.barrier = threading.Barrier(2)
        self.longest = {}

    def run_partner(self):
        time.sleep(36_000)
        self.barrier.wait()

    def measure(self, legs):
        while self.barrier.n_waiting < 1:
            for start, length in legs:  # here
                known = self.longest.get(start % 89, 0)  # here
                self.longest[start % 89] = max(known, length * 3 % 1_009)  # here


def main():
    route = Route()
    threading.Thread(target=route.run_partner, daemon=True).start()
    legs = [(n * 31 % 997, n * 17 % 499) for n in range(600)]
    own_clocks.ready()
    route.measure(legs)


main()

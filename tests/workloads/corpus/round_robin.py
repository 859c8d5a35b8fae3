"""A scheduler's simulation: a deque that is rotated; no local changes from turn to turn."""

import collections

import own_clocks


def simulate(ring, served):
    while True:
        ring.rotate(-1)  # here
        served[ring[0]] += 1  # here


def main():
    ring = collections.deque(range(64))
    own_clocks.ready()
    simulate(ring, [0] * 64)


main()

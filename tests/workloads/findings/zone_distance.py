"""Asks how far the zone of each parcel is from the depot."""

import functools
import math

from shared import modes, ratio, ready

PARCELS = ["zone-%d" % (n % 3) for n in range(60)]
history = []


def distance(zone):
    number = int(zone[5:])
    shortest = math.inf
    for stop in range(500):
        shortest = min(shortest, math.hypot(stop - number, (stop * 7 + number) % 50 + 1))  # here
    return shortest


distance_kept = functools.lru_cache(maxsize=None)(distance)


def drive(zone):
    if len(history) > 10000:
        history.clear()
    for stop in range(500):
        history.append((zone, stop, len(history)))


def ask_all(ask, zones):
    for zone in zones:
        ask(zone)


def ask_new_ones(ask):
    number = 0
    while True:
        number += 1
        ask("zone-%d" % number)


def main(work, *arguments):
    ready()
    while True:
        work(*arguments)


modes(
    {
        "slow": lambda: main(ask_all, distance, PARCELS),
        "fixed": lambda: main(ask_all, distance_kept, PARCELS),
        "different": lambda: main(ask_new_ones, distance),
        "effect": lambda: main(ask_all, drive, PARCELS),
        "ratio": lambda: ratio(lambda: ask_all(distance, PARCELS), lambda: ask_all(distance_kept, PARCELS)),
    }
)

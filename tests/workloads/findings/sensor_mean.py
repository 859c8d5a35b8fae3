"""The mean of what a sensor measured."""

import hashlib
import math

from shared import modes, ratio, ready

READINGS = [20 + math.sin(n / 500) for n in range(500000)]
NAMES = ["probe-%d of hall %d" % (n, n % 7) for n in range(20000)]
BLOCK = b"frame of a camera " * 20000


def mean(readings):
    total = 0.0
    for reading in readings:  # here
        total += reading  # here
    return total / len(readings)


def mean_by_sum(readings):
    return sum(readings) / len(readings)


def digests(readings):
    odd = 0
    for number in range(50):
        odd += hashlib.sha256(BLOCK + b"%d" % readings[number]).digest()[0] & 1
    return odd


def halls(names):
    found = {}
    for name in names:
        hall = name.rpartition(" ")[2].upper()
        found[hall] = found.get(hall, 0) + 1
    return found


def main(work, items):
    ready()
    while True:
        work(items)


modes(
    {
        "slow": lambda: main(mean, READINGS),
        "fixed": lambda: main(mean_by_sum, READINGS),
        "native_call": lambda: main(digests, READINGS),
        "strings": lambda: main(halls, NAMES),
        "ratio": lambda: ratio(lambda: mean(READINGS), lambda: mean_by_sum(READINGS)),
    }
)

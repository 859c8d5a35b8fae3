"""Prices an option by simulation until its time is up, then prices the next."""

import random
import time

import own_clocks

BUDGET_S = 0.25


def price(spot, strike, deadline):
    paid = 0.0
    paths = 0
    while time.monotonic() < deadline:
        level = spot
        for _ in range(12):
            level *= 1.0 + random.gauss(0.002, 0.04)  # here
        paid += max(0.0, level - strike)
        paths += 1
    return paid / max(1, paths)


def main():
    own_clocks.ready()
    strike = 100.0
    while True:
        price(100.0, strike, time.monotonic() + BUDGET_S)
        strike = 90.0 + (strike + 1.0) % 20.0


main()

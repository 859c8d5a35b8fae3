"""Lists a day's visitors, each once, in the order in which they came."""

import random

from shared import modes, ratio, ready

_DICE = random.Random(7)
VISITS = [_DICE.randrange(15000) for _ in range(20000)]
COUNTRIES = [_DICE.choice((49, 33, 39, 44)) for _ in range(20000)]


def unique(visits):
    seen = []
    for visitor in visits:
        if visitor not in seen:  # here
            seen.append(visitor)
    return seen


def unique_by_set(visits):
    seen = set()
    order = []
    for visitor in visits:
        if visitor not in seen:
            seen.add(visitor)
            order.append(visitor)
    return order


def main(work, visits):
    ready()
    while True:
        work(visits)


modes(
    {
        "slow": lambda: main(unique, VISITS),
        "fixed": lambda: main(unique_by_set, VISITS),
        "few_values": lambda: main(unique, COUNTRIES),
        "ratio": lambda: ratio(lambda: unique(VISITS[:10000]), lambda: unique_by_set(VISITS[:10000])),
    }
)

"""Adds up what the meters of a town used, with the price of each."""

import numpy
import pandas

from shared import modes, ratio, ready

_DICE = numpy.random.RandomState(7)


def table(rows):
    before = _DICE.uniform(0, 9000, rows)
    return pandas.DataFrame(
        {
            "before": before,
            "after": before + _DICE.uniform(0, 300, rows),
            "price": _DICE.uniform(0.2, 0.4, rows),
        }
    )


def bill(meters):
    total = 0.0
    for _, meter in meters.iterrows():  # here
        total += (meter["after"] - meter["before"]) * meter["price"]  # here
    return total


def bill_by_column(meters):
    return ((meters["after"] - meters["before"]) * meters["price"]).sum()


def highest(meters):
    top = {}
    for name, column in meters.items():
        top[name] = column.sort_values().iloc[-1]
    return top


def main(work, meters):
    ready()
    while True:
        work(meters)


modes(
    {
        "slow": lambda: main(bill, table(3000)),
        "fixed": lambda: main(bill_by_column, table(3000)),
        "by_column": lambda: main(highest, table(200000)),
        "ratio": lambda: ratio(
            lambda meters=table(3000): bill(meters),
            lambda meters=table(3000): bill_by_column(meters),
        ),
    }
)

"""Adds the tax to a table of invoices."""

import numpy
import pandas

from shared import modes, ratio, ready

_DICE = numpy.random.RandomState(7)


def table(rows):
    return pandas.DataFrame(
        {
            "customer": _DICE.randint(0, 500, rows),
            "net": _DICE.uniform(1, 1000, rows),
            "rate": _DICE.choice([0.07, 0.19], rows),
        }
    )


def gross(frame):
    return frame.apply(lambda row: row["net"] * (1 + row["rate"]), axis=1)  # here


def gross_by_column(frame):
    return frame["net"] * (1 + frame["rate"])


def medians(frame):
    return frame.apply(lambda column: column.median(), axis=0)


def turnover(frame):
    return frame.groupby("customer")["net"].sum()


def main(work, frame):
    ready()
    while True:
        work(frame)


modes(
    {
        "slow": lambda: main(gross, table(4000)),
        "fixed": lambda: main(gross_by_column, table(4000)),
        "columns": lambda: main(medians, table(200000)),
        "groupby": lambda: main(turnover, table(200000)),
        "ratio": lambda: ratio(
            lambda frame=table(4000): gross(frame),
            lambda frame=table(4000): gross_by_column(frame),
        ),
    }
)

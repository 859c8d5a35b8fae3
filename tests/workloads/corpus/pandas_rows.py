"""Walks through a frame row by row with iterrows."""

import own_clocks
import pandas


def overdue(frame):
    names = []
    for _, row in frame.iterrows():  # here
        if row["days"] > 30 and row["cents"] > 500:  # here
            names.append(row["name"])
    return names


def main():
    frame = pandas.DataFrame(
        {
            "name": ["n%d" % n for n in range(3000)],
            "days": [n % 90 for n in range(3000)],
            "cents": [n * 17 % 1000 for n in range(3000)],
        }
    )
    own_clocks.ready()
    while True:
        overdue(frame)


main()

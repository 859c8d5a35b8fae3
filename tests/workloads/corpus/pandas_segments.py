"""Groups customers with pandas and applies a Python function to each group."""

import own_clocks
import pandas


def spread(group):
    return group.max() - group.min()  # here


def segments(frame):
    return frame.groupby("region")["cents"].apply(spread)  # here


def main():
    frame = pandas.DataFrame(
        {"region": [n % 2000 for n in range(20000)], "cents": [n * 7919 % 10007 for n in range(20000)]}
    )
    own_clocks.ready()
    while True:
        segments(frame)


main()

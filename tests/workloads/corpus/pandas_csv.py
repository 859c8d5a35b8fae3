"""Reads a CSV file from memory with pandas' C parser."""

import io

import own_clocks
import pandas


def load(text):
    return pandas.read_csv(io.StringIO(text))  # here


def main():
    text = "day,region,cents\n" + "".join(
        "2024-01-%02d,%d,%d.25\n" % (n % 28 + 1, n % 40, n * 7919 % 10007) for n in range(60000)
    )
    own_clocks.ready()
    while True:
        load(text)


main()

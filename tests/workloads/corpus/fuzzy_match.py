"""Matches customers of two systems by edit distance."""

import own_clocks


def distance(one, other):
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        corner, row[0] = row[0], i
        for j, b in enumerate(other, 1):  # here
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (a != b))  # here
    return row[-1]


def main():
    names = ["Johannes Schmidt-%d GmbH & Co" % (n * 31) for n in range(40)]
    own_clocks.ready()
    while True:
        for name in names:
            min(names, key=lambda other: distance(name, other) or 99)


main()

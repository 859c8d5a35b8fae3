"""A report that computes, in a container with a quarter of a CPU."""

import own_clocks


def total(rows):
    sums = {}
    for region, cents in rows:  # here
        sums[region] = sums.get(region, 0) + cents * 119 // 100  # here
    return sums


def main():
    rows = [(n % 37, n * 7919 % 10007) for n in range(5000)]
    own_clocks.ready()
    while True:
        total(rows)


main()

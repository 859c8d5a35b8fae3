"""Newton's iteration for an internal rate of return, long after it has converged."""

import own_clocks

FLOWS = [-1000.0, 220.0, 240.0, 260.0, 280.0, 300.0]


def refine(rate, steps):
    for _ in range(steps):
        value = slope = 0.0
        for year, flow in enumerate(FLOWS):
            value += flow / (1.0 + rate) ** year  # here
            slope -= year * flow / (1.0 + rate) ** (year + 1)  # here
        rate -= value / slope
    return rate


def main():
    own_clocks.ready()
    rate = 0.1
    while True:
        rate = refine(rate, 1000)


main()

"""A pipeline of generators: readings, a moving average, alarms."""

import collections

import own_clocks


def readings():
    value = 20.0
    while True:
        value += ((value * 7919.0) % 1.0) - 0.5
        yield value


def moving_average(values, width):
    window = collections.deque(maxlen=width)
    for value in values:  # here
        window.append(value)  # here
        yield sum(window) / len(window)  # here


def alarms(averages, limit):
    for average in averages:
        if average > limit:
            yield average


def main():
    own_clocks.ready()
    for _ in alarms(moving_average(readings(), 40), 1e9):
        pass


main()

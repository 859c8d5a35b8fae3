"""Computes on one CPU beside three neighbours that do the same."""

import os

import own_clocks


def neighbour():
    while True:
        sum(range(1000))


def convolve(signal, kernel):
    out = []
    for at in range(len(signal) - len(kernel)):
        acc = 0
        for k, weight in enumerate(kernel):  # here
            acc += weight * signal[at + k]  # here
        out.append(acc)
    return out


def main():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    for _ in range(3):
        if os.fork() == 0:
            neighbour()
    signal = [n * 7 % 256 for n in range(2000)]
    own_clocks.ready()
    while True:
        convolve(signal, [1, 4, 6, 4, 1])


main()

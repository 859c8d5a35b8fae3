"""Loops over the elements of a numpy array in Python, as one should not."""

import numpy
import own_clocks


def brightest(picture):
    best = 0.0
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):  # here
            value = picture[y, x] * 0.5 + 1.0  # here
            if value > best:  # here
                best = value
    return best


def main():
    picture = numpy.arange(40000, dtype=float).reshape(200, 200) % 251
    own_clocks.ready()
    while True:
        brightest(picture)


main()

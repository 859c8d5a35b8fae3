"""Multiplies matrices with one thread of OpenBLAS."""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy  # noqa: E402
import own_clocks  # noqa: E402


def propagate(state, weights):
    return state @ weights  # here


def main():
    generator = numpy.random.default_rng(4711)
    weights = generator.random((400, 400)) / 200
    state = generator.random((400, 400))
    own_clocks.ready()
    while True:
        state = propagate(state, weights)


main()

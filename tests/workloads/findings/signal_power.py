"""The power of a signal that is an array of NumPy."""

import numpy

from shared import modes, ratio, ready

SIGNAL = numpy.sin(numpy.arange(200000) / 50)
BLOCKS = SIGNAL.reshape(20, 10000)


def power(signal):
    total = 0.0
    for value in signal:  # here
        total += value * value  # here
    return total / len(signal)


def power_of_array(signal):
    return numpy.square(signal).mean()


def spectra(blocks):
    loudest = 0.0
    for block in blocks:
        loudest = max(loudest, numpy.abs(numpy.fft.rfft(block)).max())
    return loudest


def main(work, signal):
    ready()
    while True:
        work(signal)


modes(
    {
        "slow": lambda: main(power, SIGNAL),
        "fixed": lambda: main(power_of_array, SIGNAL),
        "blocks": lambda: main(spectra, BLOCKS),
        "ratio": lambda: ratio(lambda: power(SIGNAL), lambda: power_of_array(SIGNAL)),
    }
)

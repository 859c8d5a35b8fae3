"""Mints session tokens from the kernel's random numbers, by the megabyte."""

import os

import own_clocks


def mint(count):
    noise = os.urandom(count * 16)  # here
    return [noise[at : at + 16] for at in range(0, 1600, 16)]


def main():
    own_clocks.ready()
    while True:
        mint(65536)


main()

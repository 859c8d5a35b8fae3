"""Reads random bytes until some are as they should be; the kernel has always more of them."""

import os

import own_clocks


def nonce(source):
    found = b""
    while not found.startswith(b"\0\0\0\0\0\0"):  # here
        found = os.read(source, 2048)  # here
    return found


def main():
    source = os.open("/dev/urandom", os.O_RDONLY)
    own_clocks.ready()
    while True:
        nonce(source)


main()

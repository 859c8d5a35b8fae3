"""Turns a shift register until it shows a serial number: nothing but one local variable changes."""

import own_clocks

TAPS = 0xB400_0000_0000_0000


def turns_until(serial, register):
    turned = register
    while turned != serial:  # here
        low = turned & 1  # here
        turned >>= 1  # here
        if low:  # here
            turned ^= TAPS  # here
    return turned


def main():
    own_clocks.ready()
    turns_until(0, 1)


main()

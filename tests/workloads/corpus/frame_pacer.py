"""A player that shows ten frames a second and watches the clock in between."""

import time

import own_clocks

FRAME_S = 0.1


def until(moment):
    while time.monotonic() < moment:  # here
        pass  # here


def main():
    shown = bytearray(1024)
    own_clocks.ready()
    due = time.monotonic()
    frame = 0
    while True:
        frame += 1
        shown[frame % len(shown)] = frame & 0xFF
        due += FRAME_S
        until(due)


main()

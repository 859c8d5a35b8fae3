"""Looks for a nonce: each attempt is made anew from the block, and nothing is kept."""

import own_clocks

MASK = (1 << 32) - 1
BLOCK = [ord(c) for c in "height=812004;parent=77a1;root=e0"]


def mix(nonce):
    state = nonce ^ 0x811C9DC5
    for byte in BLOCK:
        state = ((state ^ byte) * 16777619) & MASK  # here
    return state


def mine(below):
    nonce = 0
    while mix(nonce) >= below:
        nonce += 1
    return nonce


def main():
    own_clocks.ready()
    while True:
        # No hash is less than nothing: the search goes on.
        mine(below=0)


main()

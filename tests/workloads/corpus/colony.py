"""A colony of cells in a set, generation after generation."""

import collections

import own_clocks

AROUND = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1) if dx or dy]


def next_generation(alive):
    counts = collections.Counter(
        (x + dx, y + dy) for x, y in alive for dx, dy in AROUND  # here
    )
    return {cell for cell, n in counts.items() if n == 3 or (n == 2 and cell in alive)}


def main():
    glider_guns = {(x * 7 % 53, x * 11 % 47) for x in range(600)}
    own_clocks.ready()
    alive = set(glider_guns)
    while True:
        alive = next_generation(alive) or set(glider_guns)


main()

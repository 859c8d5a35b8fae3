"""Blurs a picture byte by byte, because nobody installed a library for it."""

import own_clocks

WIDTH, HEIGHT = 160, 120


def blur(pixels):
    out = bytearray(len(pixels))
    for y in range(1, HEIGHT - 1):
        row = y * WIDTH
        for x in range(row + 1, row + WIDTH - 1):  # here
            out[x] = (  # here
                pixels[x - WIDTH] + pixels[x + WIDTH] + pixels[x - 1] + pixels[x + 1] + 4 * pixels[x]  # here
            ) >> 3  # here
    return out


def main():
    picture = bytearray((n * n >> 3) & 0xFF for n in range(WIDTH * HEIGHT))
    own_clocks.ready()
    while True:
        picture = blur(picture)


main()

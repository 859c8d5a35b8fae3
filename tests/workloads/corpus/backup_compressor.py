"""Compresses a backup in blocks."""

import zlib

import own_clocks


def compress(blocks):
    packer = zlib.compressobj(9)
    size = 0
    for block in blocks:
        size += len(packer.compress(block))  # here
    return size + len(packer.flush())


def main():
    text = b"".join(b"%d;%x;%o\n" % (n, n * n, n) for n in range(20000))
    blocks = [text[at : at + 65536] for at in range(0, len(text), 65536)]
    own_clocks.ready()
    while True:
        compress(blocks)


main()

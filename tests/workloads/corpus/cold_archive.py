"""Restores from an archive that is in no cache: every read goes to the disk."""

import mmap
import os
import random

import disk
import own_clocks

BLOCK = 1 << 16
SIZE = 64 << 20


def read_record(fd, buffer, offset):
    with own_clocks.waiting("disk"):
        return os.preadv(fd, [buffer], offset)  # here


def main():
    path = disk.filled(os.path.join(disk.folder(), "archive"), SIZE)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    # Direct reads need an aligned buffer.
    buffer = mmap.mmap(-1, BLOCK)
    own_clocks.ready()
    while True:
        read_record(fd, buffer, random.randrange(SIZE // BLOCK) * BLOCK)


main()

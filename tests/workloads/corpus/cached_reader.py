"""Reads a file again and again that is in the page cache: no disk, only the kernel's CPU."""

import os

import disk
import own_clocks

BLOCK = 1 << 18


def scan(fd, size):
    total = 0
    for offset in range(0, size, BLOCK):
        total += len(os.pread(fd, BLOCK, offset))  # here
    return total


def main():
    size = 16 << 20
    path = disk.filled(os.path.join(disk.folder(), "cached"), size)
    fd = os.open(path, os.O_RDONLY)
    own_clocks.ready()
    while True:
        scan(fd, size)


main()

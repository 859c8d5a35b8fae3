"""Scans a mapped log from front to back, page by page, out of a cache that was emptied."""

import mmap
import os

import disk
import own_clocks

SIZE = 48 << 20


def count_errors(pages):
    errors = 0
    for offset in range(0, SIZE, 65536):
        errors += pages[offset : offset + 1] == b"E"  # here
    return errors


def main():
    path = disk.filled(os.path.join(disk.folder(), "log"), SIZE)
    fd = os.open(path, os.O_RDONLY)
    own_clocks.ready()
    while True:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(fd, SIZE, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as pages:
            pages.madvise(mmap.MADV_RANDOM)
            count_errors(pages)


main()

"""Looks words up in a mapped index that does not stay in memory: every look is a page fault."""

import mmap
import os
import random

import disk
import own_clocks

SIZE = 64 << 20


class Index:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDONLY)
        self.open()

    def open(self):
        self.pages = mmap.mmap(self.fd, SIZE, prot=mmap.PROT_READ)
        self.pages.madvise(mmap.MADV_RANDOM)

    def forget(self):
        """As if the machine had needed the memory for something else."""
        self.pages.close()
        os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)
        self.open()

    def lookup(self, place):
        return self.pages[place]  # here


def main():
    index = Index(disk.filled(os.path.join(disk.folder(), "index"), SIZE))
    own_clocks.ready()
    while True:
        index.forget()
        for _ in range(500):
            index.lookup(random.randrange(SIZE))


main()

"""Waits for a disk."""

import mmap
import os

from .common import waits
from .files import BLOCK, SIZE, file_on_disk


def evict(fd):
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


@waits("disk-read", "pread of a file whose pages were dropped")
def cold_read(wait):
    path = file_on_disk("cold")
    fd = os.open(path, os.O_RDONLY)
    wait.ready(file=path)
    while True:
        evict(fd)
        for offset in range(0, SIZE, BLOCK):
            begun = wait.begin()
            os.pread(fd, BLOCK, offset)  # here
            wait.end(begun)


@waits("disk-read", "preadv with O_DIRECT")
def direct_read(wait):
    path = file_on_disk("direct-read")
    fd = os.open(path, os.O_RDONLY | os.O_DIRECT)
    aligned = mmap.mmap(-1, BLOCK)
    wait.ready(file=path)
    while True:
        for offset in range(0, SIZE, BLOCK):
            begun = wait.begin()
            os.preadv(fd, [aligned], offset)  # here
            wait.end(begun)


@waits("disk-write", "pwritev with O_DIRECT")
def direct_write(wait):
    path = file_on_disk("direct-write")
    fd = os.open(path, os.O_WRONLY | os.O_DIRECT)
    aligned = mmap.mmap(-1, BLOCK)
    wait.ready(file=path)
    while True:
        for offset in range(0, SIZE, BLOCK):
            begun = wait.begin()
            os.pwritev(fd, [aligned], offset)  # here
            wait.end(begun)


@waits("fsync", "fsync after each small write", besides=["disk-write"])
def sync_file(wait):
    path = os.path.join(os.path.dirname(file_on_disk("x")), "synced")
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    wait.ready(file=path)
    while True:
        os.pwrite(fd, b"x" * 4096, 0)
        begun = wait.begin()
        os.fsync(fd)  # here
        wait.end(begun)


@waits("page-fault", "touching pages of a mapped file that were dropped")
def cold_map(wait):
    path = file_on_disk("mapped")
    fd = os.open(path, os.O_RDONLY)
    wait.ready(file=path)
    while True:
        # Mapped pages are not dropped.
        evict(fd)
        with mmap.mmap(fd, SIZE, prot=mmap.PROT_READ) as pages:
            pages.madvise(mmap.MADV_RANDOM)
            begun = wait.begin()
            for offset in range(0, SIZE, 64 * 1024):
                pages[offset]  # here
            wait.end(begun)

"""Waits for a disk, and what looks like one."""

import fcntl
import mmap
import os
import time

from .common import Skip, folder, waits

BLOCK = 256 * 1024
SIZE = 64 * BLOCK
DISK = ("disk-read", "disk-write", "fsync", "page-fault", "swap")


def file_on_disk(name):
    path = os.path.join(folder(), name)
    if os.major(os.stat(os.path.dirname(path)).st_dev) == 0:
        raise Skip("/var/tmp is on no block device")
    with open(path, "wb") as file:
        for _ in range(SIZE // BLOCK):
            file.write(os.urandom(BLOCK))
        file.flush()
        os.fsync(file.fileno())
    return path


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


@waits(None, "a file that is in the page cache", never=DISK)
def hot_read(wait):
    path = file_on_disk("hot")
    fd = os.open(path, os.O_RDONLY)
    wait.ready()
    while True:
        begun = wait.begin()
        os.pread(fd, BLOCK, 0)  # here
        wait.end(begun)
        time.sleep(0.001)


@waits(None, "a file that the kernel makes up", never=DISK)
def proc_read(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        fd = os.open("/proc/self/maps", os.O_RDONLY)
        os.read(fd, 65536)  # here
        os.close(fd)
        wait.end(begun)
        time.sleep(0.001)


@waits(None, "page faults that need no disk", never=DISK)
def fresh_memory(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        with mmap.mmap(-1, 1 << 20) as pages:
            for offset in range(0, 1 << 20, 4096):
                pages[offset] = 1  # here
        wait.end(begun)
        time.sleep(0.001)


@waits("kernel-other", "a device that sends nothing: /dev/kmsg at its end", never=DISK)
def device_read(wait):
    fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while os.read(fd, 8192):
            pass
    except BlockingIOError:
        pass
    fcntl.fcntl(fd, fcntl.F_SETFL, 0)
    wait.ready(file="/dev/kmsg")
    while True:
        begun = wait.begin()
        wait.for_ever(begun)
        os.read(fd, 8192)  # here
        # Somebody has written to it.
        wait.spans.pop()
        wait.end(begun)

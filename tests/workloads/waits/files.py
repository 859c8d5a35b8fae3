"""Files for those that wait for a disk, and for those that do not."""

import os

from .common import Skip, folder

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

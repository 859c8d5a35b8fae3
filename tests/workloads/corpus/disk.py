"""A folder on a disk, for programs that need one; gone when the program ends."""

import os
import shutil
import tempfile

import own_clocks


def folder():
    """A new folder where files are kept on a disk and not in memory."""
    path = tempfile.mkdtemp(prefix="pyobserve-corpus-", dir="/var/tmp")
    own_clocks.at_end(lambda: shutil.rmtree(path, ignore_errors=True))
    return path


def filled(path, size_bytes):
    """A file with bytes of no meaning, written to the disk."""
    with open(path, "wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    return path

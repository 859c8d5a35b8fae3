"""Writes the track of a ship to a file, a position at a time."""

import os
import tempfile
import zlib

from shared import modes, ratio, ready

POSITIONS = [b"54.%05d 10.%05d\n" % (n % 99999, n * 7 % 99999) for n in range(20000)]
IMAGE = bytes(range(256)) * 4096
MAP = bytes(range(256)) * 2000


def write_track(file, positions):
    file.seek(0)
    for position in positions:
        file.write(position)  # here


def write_images(file, _positions):
    file.seek(0)
    for _ in range(16):
        os.write(file.fileno(), IMAGE)


def compress_maps(file, positions):
    file.seek(0)
    for position in positions[:50]:
        zlib.compress(MAP, 9)
        file.write(position)


def main(write, file):
    ready()
    while True:
        write(file, POSITIONS)


def unbuffered():
    return tempfile.TemporaryFile(buffering=0)


modes(
    {
        "slow": lambda: main(write_track, unbuffered()),
        "fixed": lambda: main(write_track, tempfile.TemporaryFile()),
        "large": lambda: main(write_images, unbuffered()),
        "now_and_then": lambda: main(compress_maps, unbuffered()),
        "ratio": lambda: ratio(
            lambda file=unbuffered(): write_track(file, POSITIONS),
            lambda file=tempfile.TemporaryFile(): write_track(file, POSITIONS),
        ),
    }
)

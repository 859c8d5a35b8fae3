"""Has files mapped for execution that are no ELF files, or only look like one.

Beside garbage and an empty file: the interpreter's own executable and its libpython, if
it has one, cut off at several places. Its own names are hostile to terminals, too.
"""

import ctypes
import mmap
import os
import random
import sys
import tempfile

from truth import Stop, Workload


def spin_over(numbers):
    total = 0
    for number in numbers:
        total += number * number % 7  # here
    return total


def contents():
    chance = random.Random(4711)
    yield b"\0" * 8192
    yield bytes(chance.getrandbits(8) for _ in range(8192))
    yield b"\x7fELF" + bytes(chance.getrandbits(8) for _ in range(8192))
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "python" in line and ".so" in line}
    for path in [sys.executable] + sorted(path for path in files if "libpython" in path):
        with open(path, "rb") as file:
            whole = file.read()
        for length in (64, 4096, 65_536, len(whole) // 2, len(whole) - 4096):
            yield whole[:length]
        # The header is right, what it points to is not.
        yield whole[:64] + bytes(chance.getrandbits(8) for _ in range(len(whole[64:65_536])))


def map_all(folder):
    kept = []
    for number, content in enumerate(contents()):
        path = os.path.join(folder, "libpython3.%d.so.1.0" % number)
        with open(path, "wb") as file:
            file.write(content)
        with open(path, "rb") as file:
            kept.append(
                mmap.mmap(
                    file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_EXEC
                )
            )
    return kept


def main():
    hostile = b"\x1b[31mred\x1b]0;x\x07\n"
    ctypes.CDLL(None).prctl(15, hostile[:15], 0, 0, 0)
    workload = Workload()
    with tempfile.TemporaryDirectory() as folder:
        kept = map_all(folder)
        try:
            workload.ready("cpu-bound", "python", spin_over, "computes among broken files")
            while True:
                spin_over(range(20_000))
        except Stop:
            pass
        workload.done(mapped=len(kept))


main()

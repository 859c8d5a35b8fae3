"""Native code under a Python leaf: `native.py KIND [LIBRARY]`.

burn      - the two functions of native/burn.c, which count their own CPU time
callback  - C that calls Python back, which calls C
sorting   - list.sort: a C function of the interpreter
zlib      - a library beside the interpreter
touching  - page faults: memory that is mapped, touched and given back
leaving   - as burn, and the library's file is removed meanwhile
brief     - as burn, for half a second, then the process ends of itself
"""

import ctypes
import mmap
import os
import random
import sys
import time
import zlib

from truth import Stop, Workload

ROUNDS = 500_000


def burning(burn):
    return burn(ROUNDS)  # here


def inner(burn):
    return burn(ROUNDS) & 1  # here


def calling_back(under, callback):
    return under(callback)  # here


def sorting(values):
    return sorted(values)  # here


def compressing(data):
    return zlib.compress(data, 6)  # here


def touching(size):
    with mmap.mmap(-1, size) as memory:
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1  # here


def main():
    kind = sys.argv.pop(1)
    library = sys.argv.pop(1) if len(sys.argv) > 1 and "/" in sys.argv[1] else None
    # No clock of ours in the loop: ctypes would make one call more per round.
    workload = Workload()
    counts = {}
    rand = random.Random(1)
    if library is not None:
        burn = ctypes.PyDLL(library)
        burn.burn_both.argtypes = [ctypes.c_ulong]
        burn.burn_spent.restype = ctypes.c_longlong
    if kind == "leaving":
        os.unlink(library)
    callback_type = ctypes.PYFUNCTYPE(ctypes.c_uint)
    function, argument = {
        "burn": lambda: (burning, (burn.burn_both,)),
        "leaving": lambda: (burning, (burn.burn_both,)),
        "brief": lambda: (burning, (burn.burn_both,)),
        "callback": lambda: (
            calling_back,
            (burn.burn_under, callback_type(lambda: inner(burn.burn_both))),
        ),
        "sorting": lambda: (sorting, ([rand.random() for _ in range(300_000)],)),
        "zlib": lambda: (compressing, (bytes(rand.getrandbits(8) for _ in range(1 << 20)),)),
        "touching": lambda: (touching, (64 << 20,)),
    }[kind]()
    try:
        detail = "kernel" if kind == "touching" else "native"
        workload.ready("cpu-bound", detail, function, "native: " + kind)
        end = time.monotonic() + (0.5 if kind == "brief" else 1e9)
        while time.monotonic() < end:
            function(*argument)
    except Stop:
        pass
    if library is not None:
        counts = {"hidden_ns": burn.burn_spent(0), "shown_ns": burn.burn_spent(1)}
    workload.done(**counts)


main()

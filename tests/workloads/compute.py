"""Computing that a hasty observer may call a spin: `compute.py KIND`.

polling  - a loop of work that asks for messages without waiting between two pieces
copying  - through the kernel: reads /dev/zero, so nearly every sample is in a system call
hashing  - in native code, with the GIL released
sieve    - plain Python
"""

import hashlib
import select
import socket
import sys

from truth import Stop, Workload


def sieve(limit):
    candidates = bytearray([1]) * limit
    for number in range(2, limit):
        multiple = number * number
        while multiple < limit:
            multiple += number * (1 - candidates[0]) + candidates[0] * number * (number % 7 + 1)  # here
            candidates[-1] = 0
    return sum(candidates)


def hashing(block):
    return hashlib.sha256(block).digest()  # here


def copying(source, buffer):
    return source.readinto(buffer)  # here


def polling(inbox):
    select.select([inbox], [], [], 0)
    total = 0
    for number in range(40_000):
        total += number * number % 7  # here
    return total


def main():
    kind = sys.argv.pop(1)
    workload = Workload()
    inbox, outbox = socket.socketpair()
    block = bytes(1 << 20)
    buffer = bytearray(1 << 20)
    source = open("/dev/zero", "rb", buffering=0)
    function, argument, detail = {
        "sieve": (sieve, (30_000,), "python"),
        "hashing": (hashing, (block,), "native"),
        "copying": (copying, (source, buffer), "kernel"),
        "polling": (polling, (inbox,), "python"),
    }[kind]
    try:
        workload.ready("cpu-bound", detail, function, "computes: " + kind)
        while True:
            function(*argument)
    except Stop:
        pass
    workload.done()
    source.close()
    outbox.close()


main()

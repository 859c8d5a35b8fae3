"""Decodes records from a captured stream with struct and BytesIO."""

import io
import struct

import own_clocks

HEAD = struct.Struct(">HIHB")


def decode(stream, totals):
    while True:
        head = stream.read(HEAD.size)  # here
        if len(head) < HEAD.size:
            return totals
        kind, stamp, length, flags = HEAD.unpack(head)  # here
        payload = stream.read(length)  # here
        key = kind, flags & 3  # here
        totals[key] = totals.get(key, 0) + len(payload) + (stamp & 1)  # here


def main():
    capture = b"".join(HEAD.pack(n % 5, n, n % 60, n % 7) + bytes(n % 60) for n in range(5000))
    own_clocks.ready()
    while True:
        decode(io.BytesIO(capture), {})


main()

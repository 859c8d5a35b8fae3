"""Calls of one function within each other; the innermost waits for a byte on stdin, then its like
is called again.

Says the address of its code object first. The third call is given what the second one was.
"""

import json
import os
import sys


class Word(str):
    pass


def down(depth, text, raw, pair, rate, nothing, yes):
    if depth:
        return down(depth - 1, text, raw, pair, rate, nothing, yes)
    return os.read(0, 1)


def turns(words):
    for turn, text in enumerate(words):
        down(2, text, b"raw", (-7, ("a", 1 << 40)), 0.5, None, turn >= 0)


print(json.dumps({"code": id(down.__code__)}))
sys.stdout.flush()
turns(["zone-%d" % (0 < turn < 3) for turn in range(3)] + [Word("zone-1")])

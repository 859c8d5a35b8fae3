"""Waits below C functions that call Python; `py` and `c` say which call led to each frame.

`c` stands before each function that was called from C, as the language defines those
calls: `sorted`, `map`, `eval` and `functools.partial` are C functions.
"""

import functools
import threading

from standing import rest, say, start


def waits(_=None):
    threading.Event().wait()  # fmt: skip


def plain():
    waits()


def in_sorted():
    sorted([1], key=waits)


def in_map():
    list(map(waits, [1]))


def in_eval():
    eval("waits()")


def twice():
    sorted([1], key=lambda _: list(map(waits, [1])))


def in_partial():
    functools.partial(waits, 1)()


WANTED = {
    plain: "plain waits",
    in_sorted: "in_sorted [C] waits",
    in_map: "in_map [C] waits",
    in_eval: "in_eval [C] <module> waits",
    twice: "twice [C] twice.<locals>.<lambda> [C] waits",
    in_partial: "in_partial [C] waits",
}

threads = [start(function.__name__, function, ()) for function in WANTED]
say(threads, list(WANTED.values()), [None] * len(threads))
rest()

"""Threads that run code in interpreters of their own, with the main one's GIL and, from
3.12 on, with a GIL of their own; each computes or waits in one line.

From 3.9 on, one that shares the GIL is not asked for it by threads of another
interpreter (the request is set in theirs), so those that compute give it up themselves;
they sleep a moment, for one that takes it again at once starves the others: each giving
up wakes them before their wait of 5 ms has timed out, and only then would they ask.

Of each thread, `frames` are the inner interpreter's and `below` the outer one's.
"""

import json
import os
import sys
import time

from standing import places, rest, say, start, state

if sys.version_info >= (3, 13):
    import _interpreters as interpreters

    GILS = {"shared": ("legacy",), "own": ("isolated",)}
else:
    import _xxsubinterpreters as interpreters

    GILS = {"shared": ()}

SCRIPT = """
import os, sys, time

def tell(lines):
    frame = sys._getframe(1)
    frames = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        frames.append([name, code.co_filename, frame.f_lineno + lines])
        lines = 0
        frame = frame.f_back
    os.write({out}, str(frames[::-1]).replace("'", '"').encode())

def waits():
    tell(1)
    while os.read({source}, 1): pass

def computes():
    tell(2)
    numbers = range(20_000)
    while sum(numbers): time.sleep(0.0001)

def outer(function):
    return [function() for _ in (1,)]

outer({function})
"""


def create(gil):
    if sys.version_info >= (3, 13):
        return interpreters.create(*GILS[gil])
    if sys.version_info >= (3, 12):
        return interpreters.create(isolated=gil == "own")
    return interpreters.create()


def run(gil, script, below):
    # Up to 3.12 a thread state is known by the thread that made it.
    made = create(gil)
    # `sys._current_frames()` would reach into the other interpreters.
    below.extend(places(sys._getframe()))
    below[-1][2] += 2
    interpreters.run_string(made, script)


if sys.version_info[:2] == (3, 12):
    GILS["own"] = ()
threads, inner, outer, reasons = [], [], [], []
for gil in GILS:
    for function, reason in (("waits", "pipe"), ("computes", None)):
        told, out = os.pipe()
        source, _ = os.pipe()
        script = SCRIPT.format(out=out, source=source, function=function)
        outer.append([])
        thread = start("%s %s" % (gil, function), run, (gil, script, outer[-1]))
        inner.append(json.loads(os.read(told, 65536)))
        threads.append(thread)
        reasons.append(reason)
while not all(
    state(thread) == "S" for thread, reason in zip(threads, reasons) if reason is not None
):
    time.sleep(0.01)
say(threads, inner, reasons, outer)
rest()

"""Blocks and computes at thousands of places: a function for each, in several threads."""

import json
import os
import sys
import threading
import time

PLACES = 3_000
THREADS = 4


def make():
    """Every place is a function of its own, so every stack is one of its own."""
    source = "".join(
        "def place_%d(naps):\n    if naps:\n        time.sleep(0.0002)\n" % number
        for number in range(PLACES)
    )
    names = {"time": time}
    exec(compile(source, "places.py", "exec"), names)
    return [names["place_%d" % number] for number in range(PLACES)]


def visit(places, first):
    while True:
        for number in range(first, first + PLACES):
            places[number % PLACES](True)


places = make()
for index in range(THREADS):
    threading.Thread(
        target=visit, args=(places, index * PLACES // THREADS), daemon=True
    ).start()
print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
while os.read(0, 4096):
    pass
print(json.dumps({"done": True}), flush=True)
sys.stdout.flush()
os._exit(0)

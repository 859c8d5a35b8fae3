"""Writes an export into a pipe whose reader is slow: back-pressure."""

import subprocess
import sys

import own_clocks

LOADER = """
import os, time
while os.read(0, 16384):
    time.sleep(0.02)
"""


def export(sink, rows):
    for row in rows:
        with own_clocks.waiting("pipe"):
            sink.write(row)  # here


def main():
    loader = subprocess.Popen([sys.executable, "-c", LOADER], stdin=subprocess.PIPE, bufsize=0)
    rows = [b"%06d," % n * 4096 for n in range(20)]
    own_clocks.ready()
    while True:
        export(loader.stdin, rows)


main()

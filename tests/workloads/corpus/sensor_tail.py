"""Reads what a measuring program prints, a line every 50 ms."""

import subprocess
import sys

import own_clocks

MEASURE = """
import sys, time
while True:
    time.sleep(0.05)
    print("celsius 21.5", flush=True)
"""


def readings(stream):
    while True:
        with own_clocks.waiting("pipe"):
            line = stream.readline()  # here
        if not line:
            return
        yield float(line.split()[1])


def main():
    sensor = subprocess.Popen([sys.executable, "-c", MEASURE], stdout=subprocess.PIPE)
    own_clocks.ready()
    warmest = 0.0
    for celsius in readings(sensor.stdout):
        warmest = max(warmest, celsius)


main()

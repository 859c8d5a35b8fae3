"""Reads a sensor by a C library, which waits for the device, while three threads compute."""

import ctypes
import threading

from shared import modes, ratio, ready

DEVICE_US = 200000


class Sensor:
    def __init__(self, call, argument=DEVICE_US):
        self.call = call
        self.argument = argument

    def read(self):
        return self.call(self.argument)  # here


def smooth(turns):
    level = 0.0
    for turn in range(turns):
        level = level * 0.9 + turn % 7
    return level


def smooth_for_ever():
    while True:
        smooth(1000)


def main(sensor):
    for _ in range(3):
        threading.Thread(target=smooth_for_ever, daemon=True).start()
    ready()
    while True:
        sensor.read()


def measure(sensor):
    """Until a thread has done its work while the sensor is read."""
    done = threading.Event()

    def read():
        while not done.is_set():
            sensor.read()

    reader = threading.Thread(target=read)
    reader.start()
    smooth(500000)
    done.set()
    reader.join()


HOLDING = ctypes.PyDLL(None)
RELEASING = ctypes.CDLL(None)

modes(
    {
        "slow": lambda: main(Sensor(HOLDING.usleep)),
        "fixed": lambda: main(Sensor(RELEASING.usleep)),
        "at_once": lambda: main(Sensor(HOLDING.abs, -7)),
        "ratio": lambda: ratio(
            lambda: measure(Sensor(HOLDING.usleep, 50000)), lambda: measure(Sensor(RELEASING.usleep, 50000))
        ),
    }
)

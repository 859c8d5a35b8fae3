"""Forks a converter for each picture and waits for its status."""

import os
import time

import own_clocks


def convert(picture):
    pid = os.fork()
    if pid == 0:
        time.sleep(0.25)
        os._exit(picture % 2)
    with own_clocks.waiting("child"):
        _, status = os.waitpid(pid, 0)  # here
    return status


def main():
    own_clocks.ready()
    picture = failed = 0
    while True:
        picture += 1
        failed += convert(picture) != 0


main()

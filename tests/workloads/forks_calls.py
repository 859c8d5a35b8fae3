"""Forks a child when it is told to; both call a function all the time, the child for a while.

Its second line, which the child writes, is the child's pid once it has made its calls; it ends the
child when stdin closes.
"""

import json
import os
import signal
import sys


def plain(number):
    return number


def main():
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    sys.stdin.read(1)
    for number in range(1000):
        plain(number)
    child = os.fork()
    if child == 0:
        for number in range(1000):
            plain(number)
        print(json.dumps({"child": os.getpid()}), flush=True)
        while True:
            signal.pause()
    sys.stdin.read()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(json.dumps({"done": True}), flush=True)


main()

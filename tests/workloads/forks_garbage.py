"""Forks a child when it is told to; both collect their garbage now and then.

Its second line is the child's pid; it ends the child when stdin closes.
"""

import gc
import json
import os
import signal
import sys
import time


def main():
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    sys.stdin.read(1)
    gc.collect()
    child = os.fork()
    if child == 0:
        while True:
            gc.collect()
            time.sleep(0.01)
    print(json.dumps({"child": child}), flush=True)
    sys.stdin.read()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(json.dumps({"done": True}), flush=True)


main()

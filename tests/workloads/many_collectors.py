"""Forks many children that wait; told to, each collects its garbage three times.

`many_collectors.py [CHILDREN]`: a byte on stdin lets them collect; the next line comes when all
have. They end when stdin closes.
"""

import gc
import json
import os
import sys

CHILDREN = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
TIMES = 3


def child(go, done, end):
    os.read(go, 1)
    for _ in range(TIMES):
        gc.collect(0)
    os.write(done, b".")
    # End of file: the parent lets it go, or is gone.
    os.read(end, 1)
    os._exit(0)


def main():
    gc.disable()
    go, told = os.pipe()
    done, tell = os.pipe()
    end, hold = os.pipe()
    for _ in range(CHILDREN):
        if os.fork() == 0:
            os.close(hold)
            child(go, tell, end)
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    sys.stdin.read(1)
    os.write(told, b"." * CHILDREN)
    collected = 0
    while collected < CHILDREN:
        collected += len(os.read(done, 4096))
    print(json.dumps({"collected": collected}), flush=True)
    sys.stdin.read()
    os.close(hold)
    for _ in range(CHILDREN):
        os.wait()
    print(json.dumps({"done": True}), flush=True)


main()

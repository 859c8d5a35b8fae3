"""Many threads that each sleep in a function of their own: `crowd.py COUNT`.

Each gives itself a name that the kernel knows. Says of each its tid, its name, its
function and the line it sleeps in.
"""

import ctypes
import json
import os
import sys
import threading
import time

PR_SET_NAME = 15

prctl = ctypes.CDLL(None, use_errno=True).prctl
threads = []
arrived = threading.Semaphore(0)

TEMPLATE = """
def rest_{n}():
    while True:
        time.sleep(0.05)
"""


def run(number, rest):
    name = "crowd-%d" % number
    assert prctl(PR_SET_NAME, name.encode(), 0, 0, 0) == 0
    threads.append(
        {
            "tid": threading.get_native_id(),
            "name": name,
            "function": rest.__name__,
            "line": rest.__code__.co_firstlineno + 2,
        }
    )
    arrived.release()
    rest()


def main(count):
    for number in range(count):
        scope = {"time": time}
        exec(compile(TEMPLATE.format(n=number), __file__, "exec"), scope)
        rest = scope["rest_%d" % number]
        threading.Thread(target=run, args=(number, rest), daemon=True).start()
    for _ in range(count):
        arrived.acquire()
    print(json.dumps({"ready": True, "pid": os.getpid(), "threads": threads}), flush=True)
    while os.read(0, 4096):
        pass
    print(json.dumps({"done": True}), flush=True)
    os._exit(0)


main(int(sys.argv[1]))

"""Native code that waits without sleeping: `native_spin.py KIND LIBRARY`.

flag     - looks at memory until another thread changes it
lock     - a spin lock that another thread keeps for 20 ms
team     - a worker of OpenMP, told to wait actively, between small parts of work
working  - computes, and spins for a moment now and then: no busy-wait
"""

import ctypes
import os
import sys
import threading
import time

from truth import Stop, Workload

ROUNDS = 2_000_000


def awaiting(library, seen):
    return library.wait_for_flag(seen)  # here


def locking(library):
    library.take_lock()  # here


def sharing(library):
    library.share_work()  # here
    time.sleep(0.02)


def working(library):
    return library.work_and_spin(ROUNDS)  # here


def beside(workload, step):
    def loop():
        while not workload.stopping:
            step()

    thread = threading.Thread(target=loop)
    thread.start()
    return thread


def raising(library):
    time.sleep(0.02)
    library.raise_flag()


def main():
    kind, path = sys.argv.pop(1), sys.argv.pop(1)
    # Read when the library of OpenMP is loaded.
    os.environ["OMP_WAIT_POLICY"] = "active"
    library = ctypes.CDLL(path)
    library.work_and_spin.argtypes = [ctypes.c_ulong]
    workload = Workload()
    other = None
    try:
        if kind == "flag":
            other = beside(workload, lambda: raising(library))
            workload.ready("busy-waiting", "native-spin", awaiting, "native: a flag")
            seen = 0
            while True:
                seen = awaiting(library, seen)
        elif kind == "lock":
            other = beside(workload, library.keep_lock)
            workload.ready("busy-waiting", "native-spin", locking, "native: a spin lock")
            while True:
                locking(library)
        elif kind == "team":
            workload.ready("busy-waiting", "native-spin", sharing, "native: a worker")
            while True:
                sharing(library)
        else:
            workload.ready("cpu-bound", "native", working, "native: computing")
            while True:
                working(library)
    except Stop:
        pass
    if other is not None:
        other.join()
    workload.done()


main()

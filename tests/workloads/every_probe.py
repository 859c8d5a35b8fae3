"""Does everything that an interpreter has a probe of, and nothing else: whatever is said to have
happened between the byte that it waits for and the line that it writes, it did.

`every_probe.py`: waits for a byte on stdin, does it, writes a line and ends with stdin.
`every_probe.py collector|imports|audit|entries|calls|lines`: does it while the interpreter's own hooks
count, and tells how often.
`every_probe.py hot`: waits for a byte, calls a function 100,000 times, writes a line ...
`every_probe.py price KIND`: waits for a byte, makes one of the probes fire in rounds and tells what
the quickest round took by this thread's own clock, and how often the probe fires in one.
"""

import gc
import os
import sys
import time

# Before anything is counted: json imports and calls much.
import json
from importlib.machinery import ModuleSpec

COUNTED = {"n": 0}


def plain(number):
    return number


def generator():
    for number in range(50):
        yield number


class Point:
    def __init__(self):
        self.x = 1


def short(): return 1  # noqa: E704


def work():
    for _ in range(10):
        gc.collect()
    for name in ("colorsys", "this", "sndhdr_that_is_not_there", "stringprep"):
        try:
            __import__(name)
        except ImportError:
            pass
    for _ in range(30):
        os.close(os.open(os.devnull, os.O_RDONLY))
    for number in range(1000):
        plain(number)
    for _ in range(20):
        for _ in generator():
            pass
    for _ in range(500):
        Point()
    for _ in range(40):
        short()


def counting_collections():
    def callback(phase, _):
        COUNTED["n"] += phase == "start"

    gc.callbacks.append(callback)
    work()
    gc.callbacks.clear()


def counting_audits(only):
    # A hook cannot be taken away.
    is_on = [True]

    def hook(event, args):
        if is_on[0] and (not only or (event == only and args[1] is None)):
            COUNTED["n"] += 1

    sys.addaudithook(hook)
    work()
    is_on[0] = False


def counting_calls(wanted):
    def profile(_frame, event, _):
        if event == wanted:
            COUNTED["n"] += 1

    sys.setprofile(profile)
    work()
    sys.setprofile(None)


def counting_lines():
    def trace(_frame, event, _):
        if event == "line":
            COUNTED["n"] += 1
        return trace

    sys.settrace(trace)
    work()
    sys.settrace(None)


def hot():
    number = 0
    while number < 100_000:
        plain(number)
        number += 1


class Nothing:
    """Finds and makes modules with nothing in them."""

    @staticmethod
    def find_spec(name, _path=None, _target=None):
        return ModuleSpec(name, Nothing) if name.startswith("nothing_") else None

    @staticmethod
    def create_module(_spec):
        return None

    @staticmethod
    def exec_module(_module):
        pass


def price_collector():
    for _ in range(400):
        gc.collect(0)
    return 400


def price_imports():
    for number in range(300):
        __import__("nothing_%d" % number)
    for number in range(300):
        del sys.modules["nothing_%d" % number]
    return 300


def price_audit():
    for _ in range(400):
        sys.audit("pyobserve.price")
    return 400


def price_calls():
    for number in range(2000):
        plain(number)
    return 2000


def price_lines():
    number = 0
    while number < 2000:
        number += 1
    return 4001


def price(kind):
    do = globals()["price_" + kind]
    sys.meta_path.insert(0, Nothing)
    least = None
    for _ in range(9):
        # What fires often is listened at within a budget.
        time.sleep(0.2)
        begin = time.thread_time_ns()
        events = do()
        took = time.thread_time_ns() - begin
        least = took if least is None else min(least, took)
    return {"events": events, "took_ns": least}


def main():
    gc.disable()
    # `import this` prints.
    out, null = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "collector":
        counting_collections()
    elif mode == "imports":
        counting_audits("import")
    elif mode == "audit":
        counting_audits("")
    elif mode == "entries":
        counting_calls("call")
    elif mode == "calls":
        counting_calls("return")
    elif mode == "lines":
        counting_lines()
    ready = {"ready": True, "pid": os.getpid(), "counted": COUNTED["n"]}
    os.write(out, (json.dumps(ready) + "\n").encode())
    # Neither calls Python code nor is audited.
    done = b'{"done": true}\n'
    if mode == "":
        os.read(0, 1)
        work()
        os.write(out, done)
    elif mode == "hot":
        os.read(0, 1)
        hot()
        os.write(out, done)
    elif mode == "price":
        os.read(0, 1)
        os.write(out, (json.dumps(price(sys.argv[2])) + "\n").encode())
    while os.read(0, 100):
        pass
    os.write(out, done)
    os._exit(0)


main()

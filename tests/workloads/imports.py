"""Imports some modules and tells which, in which order, by the audit events of the
interpreter, and what each took by its own clocks.

Waits for a byte on stdin before it begins, and for another before it ends.
`imports.py at-once`: does not wait before it begins. `imports.py over-and-over`: imports one
module all the time until stdin closes.
"""

import json
import os
import sys
import threading
import time

WANTED = ("decimal", "imported.laborious", "no_such_module_here", "http.client", "decimal")


def measured(seen):
    """What each took, of those that were not there yet."""
    took = {}
    for name in WANTED:
        if name in sys.modules:
            continue
        began_ns, began_cpu_ns = time.monotonic_ns(), time.thread_time_ns()
        found = True
        try:
            __import__(name)
        except ImportError:
            found = False
        took[name] = {
            "total_ns": time.monotonic_ns() - began_ns,
            "cpu_ns": time.thread_time_ns() - began_cpu_ns,
            "found": found,
        }
    return {"seen": seen, "took": took}


def over_and_over():
    while True:
        for name in ("colorsys", "this_is_no_module"):
            sys.modules.pop(name, None)
            try:
                __import__(name)
            except ImportError:
                pass


def main():
    mode = sys.argv[1] if len(sys.argv) > 1 else ""
    if mode == "over-and-over":
        threading.Thread(target=over_and_over, daemon=True).start()
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    if mode == "":
        sys.stdin.read(1)
    if mode != "over-and-over":
        seen = []
        sys.addaudithook(
            # Shared libraries are loaded by an event of the same name, with a file.
            lambda event, args: seen.append(args[0])
            if event == "import" and args[1] is None
            else None
        )
        print(json.dumps(measured(seen)), flush=True)
    if mode != "at-once":
        sys.stdin.read()
    print(json.dumps({"done": True}), flush=True)
    sys.stdout.flush()
    os._exit(0)


main()

"""A thread runs code of a second interpreter; says which thread."""

import sys
import threading

try:
    import _interpreters as interpreters  # 3.13

    create, run = interpreters.create, interpreters.run_string
except ImportError:
    import _xxsubinterpreters as interpreters

    create, run = interpreters.create, interpreters.run_string

SOURCE = """
import time

def in_another_interpreter():
    print(%d, flush=True)
    time.sleep(100000)

in_another_interpreter()
"""


def nests():
    run(create(), SOURCE % threading.get_native_id())


threading.Thread(target=nests, daemon=True).start()
sys.stdin.readline()

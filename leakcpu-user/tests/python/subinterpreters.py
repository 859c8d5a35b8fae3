"""A thread of a second interpreter waits beside the main one."""

import sys
import threading
import time

try:
    import _interpreters as interpreters  # 3.13

    create, run = interpreters.create, interpreters.run_string
except ImportError:
    import _xxsubinterpreters as interpreters

    create, run = interpreters.create, interpreters.run_string

SOURCE = """
import time

def in_another_interpreter():
    print("READY", flush=True)
    time.sleep(100000)

in_another_interpreter()
"""

identifier = create()
threading.Thread(target=lambda: run(identifier, SOURCE), daemon=True).start()
sys.stdin.readline()

"""Threads that wait, each for one reason that it states itself, and their look-alikes.

`reasons.py GROUP...`, groups being those of `waits/`. Every function there that is
marked with `@waits` runs in a thread of its own and loops around one wait.

Ready line: per function its thread, the reason a report must give, what else it may
give, what it must not, the line of the wait, and who is waited for. Last line: per
function the spans of its waits, [[begin, end, not blocked], ...]: unix ns, and the
time of those that the thread was on a CPU or ready for one.
"""

import json
import os
import sys
import threading

from waits import common


def until_end():
    while os.read(0, 4096):
        pass


for group in sys.argv[1:]:
    __import__("waits." + group)
threads = [
    threading.Thread(target=wait.run, name=wait.name[:15], daemon=True) for wait in common.WAITS
]
for thread in threads:
    thread.start()
for wait in common.WAITS:
    wait.is_ready.wait()

print(
    json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "waits": {wait.name: wait.truth() for wait in common.WAITS},
        }
    ),
    flush=True,
)
until_end()
print(
    json.dumps({"done": True, "spans": {wait.name: list(wait.spans) for wait in common.WAITS}}),
    flush=True,
)
try:
    common.clean_up()
finally:
    # Without the interpreter's end: its threads still wait.
    os._exit(0)

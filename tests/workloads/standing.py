"""Threads that stay where they are, and saying where that is.

`sys._current_frames()` is the truth: what the interpreter itself takes for the stack.
"""

import json
import os
import sys
import threading
import time


def places(frame):
    """A frame and its callers: outermost first, [name, file, line]."""
    frames = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        frames.append([name, code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return frames[::-1]


def frames_of(thread):
    return places(sys._current_frames()[thread.ident])


def state(thread):
    with open("/proc/self/task/%d/stat" % thread.native_id) as stat:
        return stat.read().rpartition(")")[2].split()[0]


def settle(threads, blocked):
    """Waits until every thread is where it will stay; returns where."""
    before = None
    while True:
        now = [frames_of(thread) for thread in threads]
        rests = all(state(thread) == "S" for thread in threads) or not blocked
        if now == before and rests:
            return now
        before = now
        time.sleep(0.2)


def start(name, function, arguments):
    thread = threading.Thread(target=function, args=arguments, name=name, daemon=True)
    thread.start()
    return thread


def say(threads, places, reasons, below=None):
    print(
        json.dumps(
            {
                "ready": True,
                "pid": os.getpid(),
                "threads": [
                    {
                        "name": thread.name,
                        "minor": sys.version_info[1],
                        "tid": thread.native_id,
                        "frames": frames,
                        "below": outer,
                        "reason": reason,
                        "woken": thread.name.startswith("woken "),
                    }
                    for thread, frames, reason, outer in zip(
                        threads, places, reasons, below or [[]] * len(threads)
                    )
                ],
            }
        ),
        flush=True,
    )


def rest():
    """Runs until stdin closes."""
    while os.read(0, 4096):
        pass
    print(json.dumps({"done": True}), flush=True)
    os._exit(0)

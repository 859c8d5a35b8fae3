"""Threads that are known by the function that they run."""

import threading

#: By function: the thread that runs it.
TIDS = {}


def start(function, *arguments):
    """Runs a function in a thread of its own."""
    is_known = threading.Event()

    def run():
        TIDS[function.__name__] = threading.get_native_id()
        is_known.set()
        function(*arguments)

    threading.Thread(target=run, name=function.__name__[:15], daemon=True).start()
    is_known.wait()

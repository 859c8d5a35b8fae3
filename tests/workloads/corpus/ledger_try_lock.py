"""A ledger whose writer tries the lock until it gets it, while a report holds it."""

import threading

import own_clocks


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.entries = []

    def month_end_report(self, started, printer_ready):
        with self.lock:
            started.set()
            printer_ready.wait()

    def append(self, entry):
        while not self.lock.acquire(blocking=False):  # here
            pass  # here
        try:
            self.entries.append(entry)
        finally:
            self.lock.release()


def main():
    ledger = Ledger()
    started = threading.Event()
    threading.Thread(
        target=ledger.month_end_report, args=(started, threading.Event()), daemon=True
    ).start()
    started.wait()
    own_clocks.ready()
    ledger.append(("2024-01-31", 100))


main()

"""A cache that rebuilds under its lock, in pure Python, while readers wait for it."""

import threading

import own_clocks


class ReportCache:
    def __init__(self):
        self.lock = threading.RLock()
        self.report = None

    def rebuild(self):
        with self.lock:
            total = 0
            for n in range(300000):
                total = (total * 31 + n) % 1000003
            self.report = total

    def read(self):
        with own_clocks.waiting("lock"):
            self.lock.acquire()  # here
        try:
            return self.report
        finally:
            self.lock.release()


def rebuild_for_ever(cache):
    while True:
        cache.rebuild()


def read_for_ever(cache):
    while True:
        cache.read()


def main():
    cache = ReportCache()
    threading.Thread(target=rebuild_for_ever, args=(cache,), daemon=True).start()
    for _ in range(3):
        threading.Thread(target=read_for_ever, args=(cache,), daemon=True).start()
    own_clocks.ready()
    read_for_ever(cache)


main()

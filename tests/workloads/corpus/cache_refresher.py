"""A thread that refreshes a small cache twice a second while the main thread waits to end."""

import threading

import own_clocks


class Cache:
    def __init__(self):
        self.stop = threading.Event()
        self.values = {}

    def refresh(self):
        self.values = {name: len(name) for name in ("eur", "usd", "gbp")}

    def run(self):
        while not self.stop.wait(timeout=0.5):
            self.refresh()


def main():
    cache = Cache()
    refresher = threading.Thread(target=cache.run, daemon=True)
    refresher.start()
    own_clocks.ready()
    refresher.join()


main()

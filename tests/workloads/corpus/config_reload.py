"""A worker that waits for its configuration to be reloaded by looking at it."""

import threading
import time

import own_clocks


class Settings:
    def __init__(self):
        self.generation = 1
        self.values = {"workers": 4}

    def reload_every(self, seconds):
        while True:
            time.sleep(seconds)
            self.values = dict(self.values)
            self.generation += 1

    def await_reload(self, seen):
        while self.generation == seen:  # here
            pass  # here
        return self.generation


def main():
    settings = Settings()
    threading.Thread(target=settings.reload_every, args=(3600,), daemon=True).start()
    own_clocks.ready()
    seen = settings.generation
    while True:
        seen = settings.await_reload(seen)


main()

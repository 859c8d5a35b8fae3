"""Opens a document once nobody edits it: looks at the lock until it is free, then takes it."""

import threading
import time

import own_clocks


class Document:
    def __init__(self):
        self.lock = threading.Lock()

    def edit_for_hours(self):
        with self.lock:
            time.sleep(36_000)

    def open(self):
        while True:
            if self.lock.locked():  # here
                continue  # here
            with self.lock:
                return "text"


def main():
    document = Document()
    threading.Thread(target=document.edit_for_hours, daemon=True).start()
    while not document.lock.locked():
        time.sleep(0.01)
    own_clocks.ready()
    print(document.open())


main()

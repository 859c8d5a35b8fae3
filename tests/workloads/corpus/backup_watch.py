"""Waits for a thread by asking if it is alive; join() is there for that."""

import threading
import time

import own_clocks


def upload():
    time.sleep(36_000)


class Backup:
    def __init__(self):
        self.uploader = threading.Thread(target=upload, daemon=True)

    def run(self):
        self.uploader.start()
        own_clocks.ready()
        while self.uploader.is_alive():  # here
            pass  # here
        print("uploaded")


Backup().run()

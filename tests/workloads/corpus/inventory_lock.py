"""Threads that all need one lock, which each holds while it sleeps on the hardware."""

import threading
import time

import own_clocks


class Inventory:
    def __init__(self):
        self.lock = threading.Lock()
        self.moves = 0

    def move(self):
        with own_clocks.waiting("lock"):
            self.lock.acquire()  # here
        try:
            time.sleep(0.005)  # The robot's arm.
            self.moves += 1
        finally:
            self.lock.release()


def work(inventory):
    while True:
        inventory.move()


def main():
    inventory = Inventory()
    for _ in range(5):
        threading.Thread(target=work, args=(inventory,), daemon=True).start()
    own_clocks.ready()
    work(inventory)


main()

"""Waits for a partner at a barrier by asking how many stand there; the partner sleeps."""

import threading
import time

import own_clocks


class Relay:
    def __init__(self):
        self.barrier = threading.Barrier(2)

    def run_partner(self):
        time.sleep(36_000)
        self.barrier.wait()

    def await_partner(self):
        while self.barrier.n_waiting < 1:  # here
            pass  # here
        self.barrier.wait()


def main():
    relay = Relay()
    threading.Thread(target=relay.run_partner, daemon=True).start()
    own_clocks.ready()
    relay.await_partner()


main()

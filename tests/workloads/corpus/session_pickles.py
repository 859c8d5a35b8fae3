"""Freezes and thaws sessions, as a cache in front of a database does."""

import pickle

import own_clocks


class Store:
    def __init__(self):
        self.frozen = b""

    def put(self, sessions):
        self.frozen = pickle.dumps(sessions, protocol=4)  # here

    def get(self):
        return pickle.loads(self.frozen)


def main():
    sessions = {n: {"user": "u%d" % n, "cart": list(range(n % 50)), "at": n * 1.5} for n in range(20000)}
    store = Store()
    store.put(sessions)
    own_clocks.ready()
    while True:
        store.put(sessions)


main()

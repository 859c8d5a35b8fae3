"""A node that reads the registry until somebody is elected, and counts how often."""

import own_clocks


class Registry:
    def __init__(self):
        self.keys = {"members": ["a", "b", "c"]}
        self.reads = 0

    def get(self, key):
        self.reads += 1
        return self.keys.get(key)


def await_leader(registry):
    attempts = 0
    while registry.get("leader") is None:  # here
        attempts += 1  # here
    return attempts


def main():
    registry = Registry()
    own_clocks.ready()
    await_leader(registry)


main()

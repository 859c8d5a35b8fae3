"""An object-relational session: rows that know their parents; only the collector frees them."""

import gc

import own_clocks


class Row:
    def __init__(self, parent):
        self.parent = parent
        self.children = []
        self.session = self


def load_tree(width):
    root = Row(None)
    for _ in range(width):
        child = Row(root)
        root.children.append(child)
    return root


def expire(identity_map):
    identity_map.clear()
    gc.collect()  # here


def main():
    # What a long-lived process keeps, and every full collection walks through.
    kept = [Row(None) for _ in range(300000)]
    own_clocks.ready()
    identity_map = {}
    while kept:
        for key in range(20):
            identity_map[key] = load_tree(20)
        expire(identity_map)


main()

"""Keeps the baskets of a shop's visitors as JSON while they change."""

import json
import random

from shared import modes, ratio, ready

_DICE = random.Random(7)
CHANGES = [(_DICE.randrange(3000), _DICE.randrange(9)) for _ in range(50)]


class Store:
    def __init__(self):
        self.baskets = {"visitor-%d" % n: {"pieces": [1] * 20, "cents": n * 7} for n in range(3000)}
        self.saved = ""
        self.unsaved = 0

    def change(self, visitor, pieces):
        basket = self.baskets["visitor-%d" % visitor]
        basket["pieces"][pieces] = pieces
        basket["cents"] = sum(count * 7 for count in basket["pieces"])

    def save(self):
        self.saved = json.dumps(self.baskets)  # here

    def save_now_and_then(self):
        self.unsaved += 1
        if self.unsaved == 100000:
            self.save()
            self.unsaved = 0

    def recount(self):
        worth = sorted(basket["cents"] + sum(basket["pieces"]) for basket in self.baskets.values())
        self.saved = json.dumps({"least": worth[0], "median": worth[len(worth) // 2]})


def shop(store, keep):
    for visitor, pieces in CHANGES:
        store.change(visitor, pieces)
        keep()


def main(store, keep):
    ready()
    while True:
        shop(store, keep)


STORE = Store()

modes(
    {
        "slow": lambda: main(STORE, STORE.save),
        "fixed": lambda: main(STORE, STORE.save_now_and_then),
        "small_part": lambda: main(STORE, STORE.recount),
        "ratio": lambda: ratio(lambda: shop(STORE, STORE.save), lambda: shop(STORE, STORE.save_now_and_then)),
    }
)

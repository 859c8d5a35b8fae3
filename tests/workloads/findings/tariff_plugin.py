"""Asks a plugin for the price of parcels; plugins are edited while the program runs."""

import importlib
import os
import shutil
import sys
import tempfile

from shared import at_end, modes, ratio, ready

PARCELS = [n * 37 % 400 for n in range(100)]


def install():
    folder = tempfile.mkdtemp(prefix="tariff-")
    at_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    with open(os.path.join(folder, "parcel_tariff.py"), "w") as file:
        file.write("STEPS = {}\n")
        for grams in range(400):
            file.write("STEPS[%d] = %d\n" % (grams, grams * 7 + 90))
        file.write("def price(grams):\n    return STEPS[grams]\n")
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    import parcel_tariff

    return parcel_tariff


def price(plugin, grams):
    return importlib.reload(plugin).price(grams)  # here


def price_loaded(plugin, grams):
    return plugin.price(grams)


class Watched:
    def __init__(self):
        self.changed = None

    def price(self, plugin, grams):
        changed = os.stat(plugin.__file__).st_mtime_ns
        if changed != self.changed:
            importlib.reload(plugin)
            self.changed = changed
        return plugin.price(grams)


def ship(ask, plugin):
    total = 0
    for grams in PARCELS:
        total += ask(plugin, grams)
    return total


def main(ask, plugin):
    ready()
    while True:
        ship(ask, plugin)


def compare(plugin):
    ratio(lambda: ship(price, plugin), lambda: ship(price_loaded, plugin))
    shutil.rmtree(os.path.dirname(plugin.__file__))


modes(
    {
        "slow": lambda: main(price, install()),
        "fixed": lambda: main(price_loaded, install()),
        "changed_only": lambda: main(Watched().price, install()),
        "ratio": lambda: compare(install()),
    }
)

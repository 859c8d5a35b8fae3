"""A test runner that imports its plug-ins' modules afresh for each test file."""

import importlib
import sys

import own_clocks

PLUGINS = ["decimal", "_pydecimal", "argparse", "configparser", "optparse", "tarfile", "zipfile"]


def load(names):
    loaded = []
    for name in names:
        sys.modules.pop(name, None)
        try:
            loaded.append(importlib.import_module(name))  # here
        except ImportError:
            pass
    return loaded


def main():
    own_clocks.ready()
    while True:
        load(PLUGINS)


main()

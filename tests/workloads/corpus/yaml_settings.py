"""Reads settings with PyYAML's parser in Python."""

import own_clocks
import yaml


def read(text):
    return yaml.load(text, Loader=yaml.SafeLoader)  # here


def main():
    text = "".join("service_%d:\n  port: %d\n  hosts: [a, b, c]\n" % (n, n + 8000) for n in range(100))
    own_clocks.ready()
    while True:
        read(text)


main()

"""Moves a catalogue between services: JSON in, JSON out."""

import json

import own_clocks


def convert(text):
    catalogue = json.loads(text)  # here
    return json.dumps(catalogue)  # here


def main():
    catalogue = [
        {"sku": "A-%d" % n, "tags": ["t%d" % k for k in range(20)], "price": n / 7.0, "notes": "x\n" * 20}
        for n in range(2000)
    ]
    text = json.dumps(catalogue)
    own_clocks.ready()
    while True:
        convert(text)


main()

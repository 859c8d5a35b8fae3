"""A worker that keeps a rate: a tenth of a millisecond of sleep after each piece of work."""

import time

import own_clocks


def score(document):
    total = 0
    for word in document:  # here
        total = (total * 33 + len(word) * ord(word[0])) % 1000003  # here
    return total


def main():
    document = ("the quick brown fox jumps over the lazy dog " * 2500).split()
    own_clocks.ready()
    while True:
        score(document)
        time.sleep(0.0001)


main()

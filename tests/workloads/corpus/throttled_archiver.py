"""An archiver that compresses under a quota of two fifths of a CPU."""

import bz2

import own_clocks


class Archiver:
    def __init__(self):
        self.members = []

    def add(self, name, content):
        self.members.append((name, len(bz2.compress(content))))  # here
        del self.members[:-10]


def main():
    archiver = Archiver()
    content = b"".join(b"%d %x\n" % (n, n * n) for n in range(8000))
    own_clocks.ready()
    number = 0
    while True:
        number += 1
        archiver.add("part-%d" % number, content)


main()

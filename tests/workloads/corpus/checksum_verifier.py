"""Verifies artefacts in memory against their checksums; hashing lets go of the GIL."""

import hashlib

import own_clocks


def verify(artefact, digest):
    return hashlib.sha256(artefact).hexdigest() == digest  # here


def main():
    artefact = bytes(range(256)) * 65536
    digest = hashlib.sha256(artefact).hexdigest()
    own_clocks.ready()
    while verify(artefact, digest):
        pass


main()

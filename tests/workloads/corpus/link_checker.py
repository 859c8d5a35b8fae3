"""Checks links one after the other, each over a connection of its own."""

import urllib.request

import own_clocks
from peers import Peer


def check(url):
    with own_clocks.waiting("network"):
        with urllib.request.urlopen(url, timeout=10) as page:  # here
            return page.status


def main():
    site = Peer("http", 0.06)
    own_clocks.ready()
    broken = []
    number = 0
    while True:
        number += 1
        if check("%s/page/%d" % (site.url, number)) != 200:
            broken.append(number)


main()

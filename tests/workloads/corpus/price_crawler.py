"""Crawls a shop with a pool of threads, each waiting for a page of its own."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor

import own_clocks
from peers import Peer


def price_of(url):
    with urllib.request.urlopen(url, timeout=10) as page:  # here
        return len(page.read())


def main():
    shop = Peer("http", 0.15)
    pool = ThreadPoolExecutor(4)
    own_clocks.ready()
    number = 0
    while True:
        urls = ["%s/%d" % (shop.url, number + n) for n in range(8)]
        number += sum(pool.map(price_of, urls)) > 0


main()

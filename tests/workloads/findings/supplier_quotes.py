"""Asks three suppliers what an article costs, and takes the cheapest."""

from concurrent.futures import ThreadPoolExecutor

import requests

from shared import Peer, modes, ratio, ready

SESSION = requests.Session()


def quote(url):
    return SESSION.get(url, timeout=10).json()["price"]


def cheapest(urls):
    prices = []
    for url in urls:
        prices.append(quote(url))  # here
    return min(prices)


class Asker:
    def __init__(self):
        self.pool = ThreadPoolExecutor(3)

    def cheapest(self, urls):
        return min(self.pool.map(quote, urls))


def walk_pages(urls):
    page = 0
    while page < 70:
        answer = SESSION.get("%s?page=%d" % (urls[0], page), timeout=10).json()
        page += answer["stock"]


def poll(urls):
    return SESSION.get(urls[0], timeout=10).json()["stock"]


def suppliers():
    return [Peer("http", 0.05).url + "/articles/A-1" for _ in range(3)]


def main(work, urls):
    ready()
    while True:
        work(urls)


def compare(urls):
    asker = Asker()
    ratio(lambda: cheapest(urls), lambda: asker.cheapest(urls))


modes(
    {
        "slow": lambda: main(cheapest, suppliers()),
        "fixed": lambda: main(Asker().cheapest, suppliers()),
        "pagination": lambda: main(walk_pages, suppliers()),
        "polling": lambda: main(poll, suppliers()),
        "ratio": lambda: compare(suppliers()),
    }
)

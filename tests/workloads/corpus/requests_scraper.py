"""Scrapes a shop with requests and one session."""

import own_clocks
import requests
from peers import Peer


def scrape(session, url):
    with own_clocks.waiting("network"):
        response = session.get(url, timeout=10)  # here
    return response.json()["price"]


def main():
    shop = Peer("http", 0.05)
    session = requests.Session()
    own_clocks.ready()
    cheapest = None
    while True:
        price = scrape(session, shop.url + "/A-1")
        cheapest = price if cheapest is None else min(cheapest, price)


main()

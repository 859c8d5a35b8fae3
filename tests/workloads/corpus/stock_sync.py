"""Keeps stock figures in step over one kept connection; the shop takes 40 ms to answer."""

import http.client
import json

import own_clocks
from peers import Peer


def fetch(connection, sku):
    connection.request("GET", "/stock/%s" % sku)
    with own_clocks.waiting("network"):
        response = connection.getresponse()  # here
    return json.loads(response.read())


def main():
    shop = Peer("http", 0.04)
    connection = http.client.HTTPConnection(*shop.address, timeout=10)
    own_clocks.ready()
    while True:
        fetch(connection, "A-1")


main()

"""Asks a carrier where parcels are, with a connection for each question."""

import http.client
import json
from urllib.parse import urlsplit

import requests

from shared import Peer, modes, ratio, ready

PARCELS = ["/parcels/%d" % n for n in range(100)]


def status(url):
    return requests.get(url, timeout=10).json()["stock"]  # here


class Carrier:
    def __init__(self):
        self.session = requests.Session()

    def status(self, url):
        return self.session.get(url, timeout=10).json()["stock"]


class PlainCarrier:
    def __init__(self):
        self.connection = None

    def status(self, url):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self.connection.request("GET", urlsplit(url).path)
        return json.loads(self.connection.getresponse().read())["stock"]


def ask_all(ask, url):
    for parcel in PARCELS:
        ask(url + parcel)


def main(ask, url):
    ready()
    while True:
        ask_all(ask, url)


def two_at_start(url):
    ready()
    for parcel in PARCELS[:2]:
        status(url + parcel)
    ask = Carrier().status
    while True:
        ask_all(ask, url)


def carrier():
    return Peer("http", 0.0005).url


def compare(url):
    ratio(lambda: ask_all(status, url), lambda ask=Carrier().status: ask_all(ask, url))


modes(
    {
        "slow": lambda: main(status, carrier()),
        "fixed": lambda: main(Carrier().status, carrier()),
        "plain_connection": lambda: main(PlainCarrier().status, carrier()),
        "two_at_start": lambda: two_at_start(carrier()),
        "ratio": lambda: compare(carrier()),
    }
)

"""Fetches a page, parses it for as long as that took, fetches the next."""

import socket
import time

import own_clocks
from peers import Peer

WAIT_S = 0.03


def fetch(connection):
    connection.sendall(b"page\n")
    with own_clocks.waiting("network"):
        return connection.recv(4096)


def parse(pieces):
    depth = 0
    for n in range(pieces):
        depth = (depth * 17 + n) % 4099
    return depth


def fetch_and_parse(connection, pieces):
    """How many pieces take as long as this fetch took, by how long these took."""
    began = time.monotonic()
    fetch(connection)
    fetched = time.monotonic() - began
    began = time.thread_time()
    parse(pieces)
    parsed = time.thread_time() - began
    return round(pieces * min(max(fetched / parsed, 0.8), 1.25))


def main():
    connection = socket.create_connection(Peer("line", WAIT_S).address)
    pieces = 10_000
    for _ in range(40):
        pieces = fetch_and_parse(connection, pieces)
    own_clocks.ready()
    while True:
        pieces = fetch_and_parse(connection, pieces)


main()

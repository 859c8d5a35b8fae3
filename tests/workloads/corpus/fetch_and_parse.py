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


def pieces_in(seconds):
    """How much is parsed in that time, here and now: the best of some tries."""
    best = min(timed(100_000) for _ in range(5))
    return int(100_000 * seconds / best)


def timed(pieces):
    began = time.thread_time()
    parse(pieces)
    return time.thread_time() - began


def main():
    connection = socket.create_connection(Peer("line", WAIT_S).address)
    pieces = pieces_in(WAIT_S)
    own_clocks.ready()
    while True:
        fetch(connection)
        parse(pieces)


main()

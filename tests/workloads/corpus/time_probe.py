"""Probes a server by datagrams and waits for each answer."""

import socket
import struct

import own_clocks
from peers import Peer


def probe(own, number):
    own.send(struct.pack("!I", number))
    with own_clocks.waiting("network"):
        answer = own.recv(512)  # here
    return struct.unpack("!I", answer)[0] == number


def main():
    server = Peer("datagram", 0.03)
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect(server.address)
    own_clocks.ready()
    lost = number = 0
    while True:
        number += 1
        lost += not probe(own, number)


main()

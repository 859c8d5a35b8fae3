"""Uploads to a server that reads slowly: the window is full, and sending waits."""

import socket

import own_clocks
from peers import Peer


def upload(connection, video):
    with own_clocks.waiting("network"):
        connection.sendall(video)  # here


def main():
    server = Peer("reader", 0.02)
    connection = socket.create_connection(server.address)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    video = bytes(1 << 18)
    own_clocks.ready()
    while True:
        upload(connection, video)


main()

"""A server that accepts on a non-blocking socket with no select before it."""

import socket

import own_clocks


def serve(listener, clients):
    while True:
        try:
            client, address = listener.accept()  # here
        except BlockingIOError:
            pass
        else:
            clients[address] = client


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    own_clocks.ready()
    serve(listener, {})


main()

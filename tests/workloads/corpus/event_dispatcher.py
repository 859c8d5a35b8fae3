"""A dispatcher over several connections that selects with a timeout of zero."""

import selectors
import socket

import own_clocks


class Dispatcher:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.handled = 0

    def add(self, connection, handler):
        self.selector.register(connection, selectors.EVENT_READ, handler)

    def run(self):
        while True:
            for key, _ in self.selector.select(timeout=0):  # here
                key.data(key.fileobj)
                self.handled += 1


def main():
    dispatcher = Dispatcher()
    pairs = [socket.socketpair() for _ in range(5)]
    for ours, _ in pairs:
        dispatcher.add(ours, lambda connection: connection.recv(4096))
    own_clocks.ready()
    dispatcher.run()


main()

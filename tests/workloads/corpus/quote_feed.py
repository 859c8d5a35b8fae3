"""A reader of a price feed on a non-blocking socket that takes EAGAIN for an answer."""

import socket

import own_clocks


class Feed:
    def __init__(self, connection):
        self.connection = connection
        self.connection.setblocking(False)
        self.pending = b""

    def next_quote(self):
        while b"\n" not in self.pending:
            try:
                self.pending += self.connection.recv(4096)  # here
            except BlockingIOError:
                continue
        quote, _, self.pending = self.pending.partition(b"\n")
        return quote


def main():
    ours, theirs = socket.socketpair()
    feed = Feed(ours)
    theirs.sendall(b"ACME 12.5\nACME 12")
    own_clocks.ready()
    while True:
        feed.next_quote()


main()

"""Speaks a line protocol, a command and its answer at a time, as mail relays do."""

import socket

import own_clocks
from peers import Peer


class Relay:
    def __init__(self, address):
        self.file = socket.create_connection(address).makefile("rwb")

    def command(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()
        with own_clocks.waiting("network"):
            reply = self.file.readline()  # here
        if not reply.startswith(b"250"):
            raise ConnectionError(reply)

    def send(self, sender, recipient):
        self.command("MAIL FROM:<%s>" % sender)
        self.command("RCPT TO:<%s>" % recipient)
        self.command("DATA")


def main():
    relay = Relay(Peer("line", 0.025).address)
    own_clocks.ready()
    while True:
        relay.send("ada@example.org", "bob@example.org")


main()

"""Is logged in at a server that says who comes and goes, and nobody does; looks every second and
a half whether it shall log out."""

import selectors
import socket

import own_clocks
from peers import Peer


class Presence:
    def __init__(self, address):
        self.server = socket.create_connection(address)
        self.server.sendall(b"login watcher\n")
        self.server.recv(100)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.server, selectors.EVENT_READ)
        self.logged_in = True

    def watch(self):
        while self.logged_in:
            for key, _ in self.selector.select(1.5):
                print("presence", key.fileobj.recv(4096))


def main():
    presence = Presence(Peer("line", 0.0).address)
    own_clocks.ready()
    presence.watch()


main()

"""Subscribes to a feed of alerts, which has none, and looks every two seconds if it shall go on."""

import socket

import own_clocks
from peers import Peer


class Alerts:
    def __init__(self, address):
        self.connection = socket.create_connection(address)
        self.connection.sendall(b"subscribe alerts\n")
        self.connection.recv(100)
        self.connection.settimeout(2.0)
        self.enabled = True

    def follow(self):
        while self.enabled:
            try:
                alert = self.connection.recv(4096)
            except socket.timeout:
                continue
            print("alert", alert)


def main():
    alerts = Alerts(Peer("line", 0.0).address)
    own_clocks.ready()
    alerts.follow()


main()

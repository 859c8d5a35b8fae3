"""A select-based server with connected clients that are asleep."""

import select
import socket

import own_clocks


class Board:
    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.clients = []

    def accept(self):
        client, _ = self.listener.accept()
        self.clients.append(client)

    def run(self):
        while True:
            readable, _, _ = select.select([self.listener, *self.clients], [], [])
            for one in readable:
                if one is self.listener:
                    self.accept()
                elif not one.recv(1024):
                    self.clients.remove(one)


def main():
    board = Board()
    callers = [socket.create_connection(board.listener.getsockname()) for _ in range(4)]
    for _ in callers:
        board.accept()
    own_clocks.ready()
    board.run()


main()

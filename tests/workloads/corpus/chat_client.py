"""A client that reads its answer to the end of the line, from a server that has hung up."""

import socket

import own_clocks


class Line:
    def __init__(self, connection):
        self.connection = connection
        self.buffer = b""

    def read(self):
        while b"\n" not in self.buffer:  # here
            self.buffer += self.connection.recv(512)  # here
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line


def main():
    ours, theirs = socket.socketpair()
    theirs.sendall(b"hello, who")
    theirs.close()
    own_clocks.ready()
    print(Line(ours).read())


main()

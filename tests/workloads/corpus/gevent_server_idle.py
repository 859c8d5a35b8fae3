"""A gevent server that nobody calls."""

import gevent.server
import own_clocks


def echo(connection, _address):
    connection.sendall(connection.recv(1024))


def main():
    server = gevent.server.StreamServer(("127.0.0.1", 0), echo)
    server.start()
    own_clocks.ready()
    server.serve_forever()


main()

"""A pool with one connection for five threads: they wait for it, not for the database."""

import contextlib
import socket
import threading

import own_clocks
from peers import Peer


class Pool:
    def __init__(self, address):
        self.free = threading.BoundedSemaphore(1)
        self.connection = socket.create_connection(address)

    @contextlib.contextmanager
    def borrowed(self):
        with own_clocks.waiting("lock"):
            self.free.acquire()  # here
        try:
            yield self.connection
        finally:
            self.free.release()


def handle_requests(pool):
    while True:
        with pool.borrowed() as connection:
            connection.sendall(b"select\n")
            with own_clocks.waiting("network"):
                connection.recv(100)


def main():
    pool = Pool(Peer("line", 0.01).address)
    for _ in range(4):
        threading.Thread(target=handle_requests, args=(pool,), daemon=True).start()
    own_clocks.ready()
    handle_requests(pool)


main()

"""Greenlets that each wait for a page of a slow site."""

from gevent import monkey

monkey.patch_socket()

import gevent  # noqa: E402
import gevent.socket  # noqa: E402
import own_clocks  # noqa: E402
from peers import Peer  # noqa: E402


class Crawler:
    def __init__(self, address):
        self.address = address
        self.pages = 0

    def crawl(self):
        connection = gevent.socket.create_connection(self.address)
        while True:
            connection.sendall(b"page\n")
            connection.recv(4096)  # here
            self.pages += 1


def main():
    crawler = Crawler(Peer("line", 0.06).address)
    greenlets = [gevent.spawn(crawler.crawl) for _ in range(3)]
    own_clocks.ready()
    gevent.joinall(greenlets)


main()

"""A worker that looks for orders ten thousand times a second, with a nap in between."""

import time

import own_clocks

NAP_S = 0.0001


class OrderBook:
    def __init__(self):
        self.orders = []

    def take(self):
        while not self.orders:
            time.sleep(NAP_S)  # here
        return self.orders.pop()


def main():
    book = OrderBook()
    own_clocks.ready()
    book.take()


main()

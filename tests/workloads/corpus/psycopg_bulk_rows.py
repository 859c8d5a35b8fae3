"""Reads many rows of PostgreSQL and makes objects of them: the driver and Python compute."""

import os

import own_clocks
import psycopg

QUERY = "select n, n * 7 %% 1000, 'customer ' || n from generate_series(1, %s) n"


class Customer:
    __slots__ = ("number", "cents", "name")

    def __init__(self, number, cents, name):
        self.number, self.cents, self.name = number, cents, name.upper()


def best(rows):
    top = None
    for _ in range(30):
        for row in rows:  # here
            customer = Customer(*row)  # here
            if top is None or customer.cents > top.cents:  # here
                top = customer
    return top


def main():
    with psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True) as database:
        own_clocks.ready()
        while True:
            best(database.execute(QUERY, (10000,)).fetchall())


main()

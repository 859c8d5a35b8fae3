"""Asks PostgreSQL for each customer's balance by a query of its own: N+1."""

import os

import own_clocks
import psycopg


def balances(database, customers):
    found = {}
    for customer in customers:
        query = "select %s * 7, pg_sleep(0.003)"
        with own_clocks.waiting("network"):
            row = database.execute(query, (customer,)).fetchone()  # here
        found[customer] = row[0]
    return found


def main():
    with psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True) as database:
        own_clocks.ready()
        while True:
            balances(database, range(50))


main()

"""Sends a query that takes all night, and asks libpq over and over whether it is done."""

import os

import own_clocks
import psycopg


def await_totals(connection):
    while connection.is_busy():  # here
        connection.consume_input()  # here
    return connection.get_result()


def main():
    with psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True) as database:
        connection = database.pgconn
        connection.nonblocking = 1
        connection.send_query(b"select pg_sleep(28800)")
        connection.flush()
        own_clocks.ready()
        await_totals(connection)


main()

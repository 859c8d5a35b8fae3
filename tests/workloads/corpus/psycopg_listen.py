"""Listens for notifications of PostgreSQL, of which there are none."""

import os

import own_clocks
import psycopg


def main():
    with psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True) as database:
        database.execute("listen orders")
        own_clocks.ready()
        for notification in database.notifies():
            print(notification.payload)


main()

"""Six request handlers share a pool of one connection to PostgreSQL."""

import os
import threading

import own_clocks
from psycopg_pool import ConnectionPool


def borrow(pool):
    with own_clocks.waiting("lock"):
        return pool.getconn(timeout=60)  # here


def handle(pool):
    while True:
        connection = borrow(pool)
        try:
            connection.execute("select pg_sleep(0.02)")
            connection.rollback()
        finally:
            pool.putconn(connection)


def main():
    pool = ConnectionPool(os.environ["PYOBSERVE_CORPUS_POSTGRES"], min_size=1, max_size=1, open=True)
    pool.wait()
    for _ in range(5):
        threading.Thread(target=handle, args=(pool,), daemon=True).start()
    own_clocks.ready()
    handle(pool)


main()

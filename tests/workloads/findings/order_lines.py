"""Loads the lines of today's orders from PostgreSQL."""

import hashlib
import os
import time

import psycopg

from shared import modes, ratio, ready

TABLE = "create temp table order_lines as select n as order_id, n * 7 as cents from generate_series(1, 200) n"


def connect():
    database = psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True)
    database.execute(TABLE)
    database.execute("create index on order_lines (order_id)")
    return database


def order_ids(database):
    return [row[0] for row in database.execute("select order_id from order_lines")]


def load(database):
    cents = {}
    for number in order_ids(database):
        query = "select cents from order_lines where order_id = %s"
        cents[number] = database.execute(query, (number,)).fetchone()[0]  # here
    return cents


def load_at_once(database):
    query = "select order_id, cents from order_lines where order_id = any(%s)"
    return dict(database.execute(query, (order_ids(database),)).fetchall())


def print_label(cents):
    done = time.perf_counter() + 0.02
    digest = b"%d" % cents
    while time.perf_counter() < done:
        digest = hashlib.sha256(digest).digest()


def work_off(database):
    for job in order_ids(database):
        query = "select cents from order_lines where order_id = %s"
        print_label(database.execute(query, (job,)).fetchone()[0])


def report(database):
    rows = database.execute("select n, sum(cents) from order_lines, generate_series(1, 200) n group by n")
    return dict(rows.fetchall())


def main(work, database):
    ready()
    while True:
        work(database)


def compare(database):
    ratio(lambda: load(database), lambda: load_at_once(database))


modes(
    {
        "slow": lambda: main(load, connect()),
        "fixed": lambda: main(load_at_once, connect()),
        "one_query_a_job": lambda: main(work_off, connect()),
        "one_query": lambda: main(report, connect()),
        "ratio": lambda: compare(connect()),
    }
)

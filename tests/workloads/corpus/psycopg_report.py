"""Waits for a slow query of PostgreSQL, and asks it again."""

import os

import own_clocks
import psycopg


class Report:
    def __init__(self, database):
        self.database = database

    def run(self):
        with own_clocks.waiting("network"):
            return self.database.execute("select pg_sleep(0.08), 42").fetchone()  # here


def main():
    with psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True) as database:
        report = Report(database)
        own_clocks.ready()
        while True:
            report.run()


main()

"""Imports a day's readings of sensors into PostgreSQL."""

import math
import os

import psycopg

from shared import modes, ratio, ready

READINGS = [(n % 40, n, 20 + n % 7 / 10) for n in range(1000)]
INSERT = "insert into readings values (%s, %s, %s)"


def connect():
    database = psycopg.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"])
    database.execute("create temp table readings (sensor int, second int, celsius float)")
    database.commit()
    return database


def store(database, readings):
    database.execute("truncate readings")
    for reading in readings:
        database.execute(INSERT, reading)  # here
    database.commit()


def store_together(database, readings):
    database.execute("truncate readings")
    with database.cursor() as cursor:
        cursor.executemany(INSERT, readings)
    database.commit()


def copy(database, readings):
    database.execute("truncate readings")
    with database.cursor() as cursor, cursor.copy("copy readings from stdin") as lines:
        for reading in readings:
            lines.write_row(reading)
    database.commit()


def smooth_and_store(database, readings):
    database.execute("truncate readings")
    for sensor, second, celsius in readings[:20]:
        for step in range(60000):
            celsius += math.sin(step) / 1000
        database.execute(INSERT, (sensor, second, celsius))
    database.commit()


def main(work, database):
    ready()
    while True:
        work(database, READINGS)


def compare(database):
    ratio(lambda: store(database, READINGS), lambda: store_together(database, READINGS))


modes(
    {
        "slow": lambda: main(store, connect()),
        "fixed": lambda: main(store_together, connect()),
        "copied": lambda: main(copy, connect()),
        "one_insert_a_job": lambda: main(smooth_and_store, connect()),
        "ratio": lambda: compare(connect()),
    }
)

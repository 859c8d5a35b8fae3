"""Commits to SQLite after every row."""

import os
import sqlite3

import disk
import own_clocks


def save(database, number, text):
    database.execute("insert into tickets values (?, ?)", (number, text))
    with own_clocks.waiting("disk"):
        database.commit()  # here


def main():
    database = sqlite3.connect(os.path.join(disk.folder(), "tickets.db"))
    database.execute("pragma synchronous = full")
    database.execute("create table tickets (number integer, text text)")
    own_clocks.ready()
    number = 0
    while True:
        number += 1
        save(database, number, "printer on fire")


main()

"""A sales report over an SQLite database in memory."""

import sqlite3

import own_clocks


def report(database):
    return database.execute(  # here
        "select region, count(*), sum(cents), avg(cents * cents) from sales "
        "where cents % 7 <> 3 group by region order by 3"
    ).fetchall()  # here


def main():
    database = sqlite3.connect(":memory:")
    database.execute("create table sales (region text, cents integer)")
    rows = (("region %d" % (n % 40), n * 7919 % 100003) for n in range(200000))
    database.executemany("insert into sales values (?, ?)", rows)
    own_clocks.ready()
    while True:
        report(database)


main()

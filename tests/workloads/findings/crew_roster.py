"""Looks up the shifts of a crew in PostgreSQL, from coroutines."""

import asyncio
import os
import zlib

import psycopg

from shared import modes, ratio, ready

MEMBERS = list(range(100))
PLAN = b"who works where and when " * 20000


async def connect():
    connection = await psycopg.AsyncConnection.connect(os.environ["PYOBSERVE_CORPUS_POSTGRES"], autocommit=True)
    await connection.execute("CREATE TEMPORARY TABLE shift AS SELECT n AS member, n % 3 AS hall FROM generate_series(0, 99) n")
    await connection.execute("CREATE INDEX ON shift (member)")
    return connection


async def hall(connection, member):
    cursor = await connection.execute("SELECT hall FROM shift WHERE member = %s", (member,))
    return (await cursor.fetchone())[0]


async def roster(connection):
    halls = {}
    for member in MEMBERS:
        halls[member] = await hall(connection, member)  # here
    return halls


async def roster_at_once(connection):
    cursor = await connection.execute("SELECT member, hall FROM shift WHERE member = ANY(%s)", (MEMBERS,))
    return dict(await cursor.fetchall())


async def print_shifts(connection):
    for member in MEMBERS:
        if await hall(connection, member) is not None:
            zlib.compress(PLAN, 6)


async def main(work, crews=1):
    connections = [await connect() for _ in range(crews)]
    ready()
    while True:
        await asyncio.gather(*(work(connection) for connection in connections))


async def once(work, repeat):
    connection = await connect()
    for _ in range(repeat):
        await work(connection)


modes(
    {
        "slow": lambda: asyncio.run(main(roster)),
        "fixed": lambda: asyncio.run(main(roster_at_once)),
        "crews_at_once": lambda: asyncio.run(main(roster, crews=6)),
        "one_query_a_shift": lambda: asyncio.run(main(print_shifts)),
        "ratio": lambda: ratio(lambda: asyncio.run(once(roster, 5)), lambda: asyncio.run(once(roster_at_once, 5))),
    }
)

"""Clients of real databases, by real drivers; `clients.py KIND ADDRESS`.

ADDRESS is `host:port` or the path of a unix socket; for PostgreSQL what libpq takes.

- `redis`: a page asks for its rows one by one (redis-py);
- `psycopg`: the same of PostgreSQL (psycopg 3);
- `redis-asyncio`: requests of an event loop that the server answers late (redis.asyncio);
- `redis-gevent`: the same in gevent's loop.

Ready line: the function that asks and the line where it does, the bytes of one request and
one answer as the driver or the protocol counts them. Last line: the requests,
[[begin, end, ns not blocked], ...] in unix ns (0 in an event loop), and how often it asked in
all.
"""

import asyncio
import json
import os
import sys
import tempfile
import threading
import time

from truth import line_of

KIND, ADDRESS = sys.argv[1:]
if KIND == "redis-gevent":
    from gevent import monkey

    monkey.patch_all(thread=False)
ROWS = range(1000, 1040)
REST_S = 0.05
#: Takes as long as a row that is not in memory.
QUERY = "select name from item where id = %s and pg_sleep(0.001)::text = ''"
#: For how long the server keeps an answer back, or until it looks again, ten times a second.
LATE_MS = 30

requests = []
#: Requests of the same kind before those.
earlier = 0
sizes = [None, None]
is_ready = threading.Event()
ending = threading.Event()
tid = None


class Meter:
    """The time in which the calling thread was blocked, by its own clocks."""

    def __init__(self):
        own = "/proc/self/task/%d/schedstat" % threading.get_native_id()
        self.schedstat = os.open(own, os.O_RDONLY)

    def not_blocked_ns(self):
        run_delay_ns = int(os.pread(self.schedstat, 100, 0).split()[1])
        return time.thread_time_ns() + run_delay_ns


def load_pages(fetch):
    """Pages for ever, each with as many requests as it has rows."""
    global tid
    tid = threading.get_native_id()
    meter = Meter()
    is_ready.set()
    while not ending.is_set():
        time.sleep(REST_S)
        for row in ROWS:
            begin, before = time.time_ns(), meter.not_blocked_ns()
            fetch(row)
            requests.append((begin, time.time_ns(), meter.not_blocked_ns() - before))


def host_and_port():
    host, port = ADDRESS.rsplit(":", 1)
    return {"host": host, "port": int(port)}


def redis_client(library):
    where = {"unix_socket_path": ADDRESS} if ADDRESS.startswith("/") else host_and_port()
    return library.Redis(**where)


def with_redis():
    import redis

    client = redis_client(redis)
    for row in ROWS:
        client.set("row:%d" % row, "name-%d" % row)
    connection = client.connection_pool.get_connection()
    sizes[0] = sum(len(part) for part in connection.pack_command("GET", "row:1000"))
    client.connection_pool.release(connection)
    # A bulk string: its length, it, and two line ends.
    sizes[1] = len(b"$9\r\nname-1000\r\n")

    def fetch_name(row):
        return client.get("row:%d" % row)  # here

    return fetch_name


def with_psycopg():
    global earlier
    import psycopg

    connection = psycopg.connect(ADDRESS, autocommit=True)
    connection.execute("create temp table item (id int primary key, name text)")
    connection.execute("insert into item select id, 'name-' || id from generate_series(1, 9999) id")
    cursor = connection.cursor()

    def fetch_name(row):
        cursor.execute(QUERY, (row,))  # here
        return cursor.fetchone()

    # From the sixth time on it is a prepared statement.
    for _ in range(8):
        fetch_name(1000)
    earlier = 9
    with tempfile.TemporaryFile() as trace:
        connection.pgconn.trace(trace.fileno())
        fetch_name(1000)
        connection.pgconn.untrace()
        trace.seek(0)
        sizes[:] = traced_sizes(trace.read().decode())
    return fetch_name


def traced_sizes(trace):
    """Bytes sent and received of libpq's trace: time, direction, length and more by tab. A
    message's length leaves its type out, which is a byte."""
    sums = {"F": 0, "B": 0}
    for line in trace.splitlines():
        fields = line.split("\t")
        sums[fields[1]] += int(fields[2]) + 1
    return sums["F"], sums["B"]


def with_redis_asyncio():
    import redis.asyncio

    async def fetch_late(client):
        await client.wait(1, LATE_MS)  # here

    async def main():
        global tid
        tid = threading.get_native_id()
        client = redis_client(redis.asyncio)
        await fetch_late(client)
        is_ready.set()
        while True:
            start = time.time_ns()
            await fetch_late(client)
            requests.append((start, time.time_ns(), 0))
            for _ in range(5):
                await client.exists("nothing")

    asyncio.run(main())


def with_redis_gevent():
    global tid
    import gevent
    import redis

    tid = threading.get_native_id()
    client = redis_client(redis)

    def fetch_late():
        client.wait(1, LATE_MS)  # here

    def main():
        fetch_late()
        is_ready.set()
        while True:
            start = time.time_ns()
            fetch_late()
            requests.append((start, time.time_ns(), 0))

    gevent.spawn(main).join()


def run():
    if KIND == "redis-asyncio":
        with_redis_asyncio()
    elif KIND == "redis-gevent":
        with_redis_gevent()
    else:
        fetch = with_redis() if KIND == "redis" else with_psycopg()
        run.line = line_of(fetch, "# here")
        load_pages(fetch)


run.line = None
thread = threading.Thread(target=run, daemon=True)
thread.start()
if not is_ready.wait(30):
    os._exit(1)
time.sleep(0.2)
print(
    json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "tid": tid,
            "function": "fetch_name" if run.line else "fetch_late",
            "line": run.line,
            "sent_bytes": sizes[0],
            "received_bytes": sizes[1],
        }
    ),
    flush=True,
)
while os.read(0, 4096):
    pass
# Pages end whole, so that both ends count the same; loops go on.
ending.set()
thread.join(2 if run.line else 0)
last = {"done": True, "requests": list(requests)}
last["calls"] = earlier + len(last["requests"])
print(json.dumps(last), flush=True)
os._exit(0)

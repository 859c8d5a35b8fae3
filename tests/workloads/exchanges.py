"""Clients that wait for answers, servers that wait for requests; `exchanges.py KIND [LOOP]`.

- `plain`, `timeout`, `unix`: a client of a slow server in another process, on a blocking
  socket, on one with a timeout, on a unix socket;
- `asyncio`: the same client in an event loop;
- `download`: one request, and an answer that comes in many parts;
- `listener`: one request and its answer, and then a wait for what comes unasked;
- `server`: a server whose client asks now and then, on a blocking socket;
- `pool`: the same in an event loop, which also keeps a connection to another server on
  which it has exchanged something before.

LOOP is the event loop, `asyncio` unless it is `uvloop`.

Ready line: the function that waits, and the other end. Last line: the exchanges,
[[begin, end, bytes sent, bytes received], ...] in unix ns.
"""

import asyncio
import json
import os
import socket
import sys
import tempfile
import threading
import time
import warnings

KIND = sys.argv[1]
if "uvloop" in sys.argv:
    import uvloop

    run_loop = uvloop.run
else:
    run_loop = asyncio.run
DELAY_S = 0.04
# Threads are about when it forks; what the children do needs none of theirs.
warnings.simplefilter("ignore", DeprecationWarning)
exchanges = []
peer = None
is_ready = threading.Event()


def serve(server, answer):
    """A server in a child, as long as we live."""
    if os.fork():
        server.close()
        return
    parent = os.getppid()
    os.closerange(0, 3)

    def one(client):
        while client.recv(64):
            time.sleep(DELAY_S)
            answer(client)
        client.close()

    def accept():
        while True:
            threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    while os.getppid() == parent:
        time.sleep(0.1)
    os._exit(0)


def ask_in_child(address):
    """A client in a child that asks now and then."""
    if os.fork():
        return
    parent = os.getppid()
    os.closerange(0, 3)
    client = socket.create_connection(address)
    while os.getppid() == parent:
        time.sleep(0.15)
        client.send(b"question")
        client.recv(64)
    os._exit(0)


def tcp_listener():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(16)
    return server


def connected(server, answer=lambda client: client.send(b"answer")):
    global peer
    address = server.getsockname()
    peer = address if isinstance(address, str) else "%s:%d" % address[:2]
    family = server.family
    serve(server, answer)
    client = socket.socket(family)
    client.connect(address)
    return client


def fetch(client):
    begin = time.time_ns()
    client.send(b"request")
    got = len(client.recv(64))
    exchanges.append((begin, time.time_ns(), 7, got))


def fetch_for_ever(client):
    is_ready.set()
    while True:
        fetch(client)


def plain():
    fetch_for_ever(connected(tcp_listener()))


def timeout():
    client = connected(tcp_listener())
    client.settimeout(5)
    fetch_for_ever(client)


def unix():
    server = socket.socket(socket.AF_UNIX)
    folder = tempfile.mkdtemp(prefix="pyobserve-exchanges-")
    path = os.path.join(folder, "a.sock")
    server.bind(path)
    server.listen(4)
    client = connected(server)
    os.unlink(path)
    os.rmdir(folder)
    fetch_for_ever(client)


def drain(client):
    while True:
        begin = time.time_ns()
        got = len(client.recv(65536))
        exchanges.append((begin, time.time_ns(), 0, got))


def download():
    def answer(client):
        for _ in range(3000):
            client.sendall(b"x" * 65536)
            time.sleep(0.005)

    client = connected(tcp_listener(), answer)
    client.send(b"request")
    is_ready.set()
    drain(client)


def listens(client):
    is_ready.set()
    client.recv(64)


def listener():
    client = connected(tcp_listener())
    fetch(client)
    exchanges.clear()
    listens(client)


def serve_requests(client):
    while client.recv(64):
        client.send(b"answer")


def server():
    listener = tcp_listener()
    ask_in_child(listener.getsockname())
    client, _ = listener.accept()
    is_ready.set()
    serve_requests(client)


async def asked(reader, writer):
    while await reader.read(64):
        writer.write(b"answer")


async def fetch_awaiting(reader, writer):
    begin = time.time_ns()
    writer.write(b"request")
    got = len(await reader.read(64))
    exchanges.append((begin, time.time_ns(), 7, got))


def with_asyncio():
    client = connected(tcp_listener())
    client.setblocking(False)

    async def main():
        reader, writer = await asyncio.open_connection(sock=client)
        is_ready.set()
        while True:
            await fetch_awaiting(reader, writer)

    run_loop(main())


def pool():
    client = connected(tcp_listener())
    client.setblocking(False)

    async def main():
        await fetch_awaiting(*await asyncio.open_connection(sock=client))
        exchanges.clear()
        service = await asyncio.start_server(asked, "127.0.0.1", 0)
        ask_in_child(service.sockets[0].getsockname())
        is_ready.set()
        await asyncio.sleep(3600)

    run_loop(main())


run = {
    "plain": plain,
    "timeout": timeout,
    "unix": unix,
    "download": download,
    "listener": listener,
    "server": server,
    "asyncio": with_asyncio,
    "pool": pool,
}[KIND]
thread = threading.Thread(target=run, daemon=True)
thread.start()
is_ready.wait()
time.sleep(0.2)
functions = {
    "asyncio": "fetch_awaiting",
    "download": "drain",
    "listener": "listens",
    "server": "serve_requests",
}
print(
    json.dumps(
        {
            "ready": True,
            "pid": os.getpid(),
            "tid": thread.native_id,
            "function": functions.get(KIND, "fetch"),
            "peer": peer,
        }
    ),
    flush=True,
)
while os.read(0, 4096):
    pass
print(json.dumps({"done": True, "exchanges": list(exchanges)}), flush=True)
os._exit(0)

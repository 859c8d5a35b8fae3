"""Waiting: blocking requests to a TCP server that takes 50 ms over each answer.

The server is a process of its own, so that this one does nothing but wait. It ends
when the connection closes, which the kernel does for a client that dies in any way.
"""

import socket
import subprocess
import sys
import time

from truth import Stop, Workload

SERVER = """
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
listener.settimeout(10)
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
while connection.recv(64):
    time.sleep(0.05)
    connection.sendall(b"price 42\\n")
"""


def fetch_price(connection):
    connection.sendall(b"price?\n")
    return connection.recv(64)  # here


def main():
    workload = Workload()
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    port = int(server.stdout.readline())
    connection = socket.create_connection(("127.0.0.1", port))
    answers = 0
    try:
        workload.ready("io-bound", "network", fetch_price, "waits for a server that takes 50 ms")
        while True:
            asked_ns = time.monotonic_ns()
            try:
                if not fetch_price(connection):
                    raise SystemExit("the server has gone")
                answers += 1
            finally:
                workload.waited("net-recv", time.monotonic_ns() - asked_ns)
    except Stop:
        pass
    workload.done(answers=answers)
    connection.close()
    server.stdout.close()
    server.wait()


main()

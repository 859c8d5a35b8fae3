"""The other side of a program: a process of its own that answers late, or reads late.

`Peer("http", seconds)` starts one, and `Callers(port, how_many)` a process with clients
of the program's own server. They end when the program does, for they read their stdin
until that closes.
"""

import http.server
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request


# Whoever forgets a peer does not end it.
_RUNNING = []


def _start(*arguments):
    process = subprocess.Popen(
        [sys.executable, os.path.abspath(__file__), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    _RUNNING.append(process)
    return process


class Peer:
    """A running peer and its port on 127.0.0.1."""

    def __init__(self, kind, seconds):
        self.port = int(_start(kind, seconds).stdout.readline())
        self.address = ("127.0.0.1", self.port)
        self.url = "http://127.0.0.1:%d" % self.port


class NameServer:
    """A name server that takes a while; to it every name is this host's. It ends like a peer."""

    def __init__(self, seconds):
        self.address = _start("names", seconds).stdout.readline().decode().strip()


class Callers:
    """A process whose threads fetch pages from a port without a pause."""

    def __init__(self, port, how_many):
        _start("callers", port, how_many)


def free_port():
    """A port on 127.0.0.1 that nobody listened at a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class SlowPage(http.server.BaseHTTPRequestHandler):
    """A shop's page, after a while."""

    protocol_version = "HTTP/1.1"
    seconds = 0.0

    def do_GET(self):
        time.sleep(self.seconds)
        body = b'{"sku": "A-1", "price": 1299, "stock": 7}'
        # In one segment, or the client would wait for a delayed acknowledgement too.
        self.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        )

    def log_message(self, *_):
        pass


class SlowLine(socketserver.StreamRequestHandler):
    """Answers each line, after a while."""

    seconds = 0.0

    def handle(self):
        for line in self.rfile:
            time.sleep(self.seconds)
            self.wfile.write(b"250 " + line)


class SlowReader(socketserver.BaseRequestHandler):
    """Takes 64 KiB, rests, takes the next."""

    seconds = 0.0

    def handle(self):
        while self.request.recv(65536):
            time.sleep(self.seconds)


class SlowDatagram(socketserver.BaseRequestHandler):
    """Sends each datagram back, after a while."""

    seconds = 0.0

    def handle(self):
        time.sleep(self.seconds)
        data, own = self.request
        own.sendto(data, self.client_address)


class Names(socketserver.BaseRequestHandler):
    """127.0.0.1 by IPv4, nothing by IPv6."""

    seconds = 0.0

    def handle(self):
        time.sleep(self.seconds)
        question, own = self.request
        end = question.index(b"\0", 12) + 5
        is_ipv4 = question[end - 4 : end - 2] == b"\0\1"
        head = question[:2] + b"\x81\x80\0\1\0" + bytes([is_ipv4]) + b"\0\0\0\0"
        answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if is_ipv4 else b""
        own.sendto(head + question[12:end] + answer, self.client_address)


class Threads(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def get_request(self):
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


def serve(kind, seconds):
    handler = {"http": SlowPage, "line": SlowLine, "reader": SlowReader, "datagram": SlowDatagram}[kind]
    handler.seconds = seconds
    if kind == "datagram":
        server = socketserver.UDPServer(("127.0.0.1", 0), handler)
    else:
        server = Threads(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


def name_all(seconds):
    # Nobody else is there, as long as the process has its number.
    address = "127.77.%d.%d" % (os.getpid() // 250 % 250 + 1, os.getpid() % 250 + 1)
    Names.seconds = seconds
    server = socketserver.ThreadingUDPServer((address, 53), Names)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(address, flush=True)
    sys.stdin.read()


def call(port):
    while True:
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=20) as page:
                page.read()
        except OSError:
            time.sleep(0.05)  # It does not listen yet.


if __name__ == "__main__":
    if sys.argv[1] == "callers":
        for _ in range(int(sys.argv[3])):
            threading.Thread(target=call, args=(int(sys.argv[2]),), daemon=True).start()
        sys.stdin.read()
    elif sys.argv[1] == "names":
        name_all(float(sys.argv[2]))
    else:
        serve(sys.argv[1], float(sys.argv[2]))

"""Waits for another end, over TCP, UDP and unix sockets, with timeouts and without."""

import os
import select
import socket
import time

from .common import beside, every, folder, listener, named, pair, waits

PERIOD = 0.03
# So little that even a slow machine fills it at once.
BUFFER = 1 << 14
QUIET = ("sleep", "poll-wait", "kernel-other", "pipe")


def receiving(wait, timeout=None):
    client, other = pair()
    client.settimeout(timeout)
    every(PERIOD, lambda: other.send(b"x"))
    wait.ready(peer=named(client.getpeername()))
    return client


@waits("net-recv", "recv", never=QUIET)
def receive(wait):
    client = receiving(wait)
    while True:
        begun = wait.begin()
        client.recv(64)  # here
        wait.end(begun)


@waits("net-recv", "recv with a timeout: it waits in poll", never=QUIET)
def receive_timed(wait):
    client = receiving(wait, timeout=5)
    while True:
        begun = wait.begin()
        client.recv(64)  # here
        wait.end(begun)


@waits("net-recv", "recv with a timeout into which nothing comes", never=QUIET)
def receive_nothing(wait):
    client, other = pair()
    client.settimeout(0.05)
    wait.ready(peer=named(client.getpeername()))
    while True:
        begun = wait.begin()
        try:
            client.recv(64)  # here
        except socket.timeout:
            pass
        wait.end(begun)
        other.fileno()


def drain(other):
    while True:
        time.sleep(PERIOD)
        other.recv(4 * BUFFER)


def sending(wait, timeout=None):
    client, other = pair()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    client.settimeout(timeout)
    beside(drain, other)
    wait.ready(peer=named(client.getpeername()))
    return client


@waits("net-send", "send to a peer that is slow to take it", never=QUIET + ("net-recv",))
def send_full(wait):
    client = sending(wait)
    while True:
        begun = wait.begin()
        client.send(b"x" * 65536)  # here
        wait.end(begun)


@waits("net-send", "the same with a timeout: it waits in poll", never=QUIET + ("net-recv",))
def send_timed(wait):
    client = sending(wait, timeout=5)
    while True:
        begun = wait.begin()
        client.send(b"x" * 65536)  # here
        wait.end(begun)


def full_listener():
    """Its queue is full: who connects waits."""
    server = listener(backlog=0)
    queued = [socket.create_connection(server.getsockname())]
    return server, queued


@waits("net-connect", "connect to a listener whose queue is full", never=QUIET + ("net-send",))
def connect(wait):
    server, queued = full_listener()
    # Signals do not come here: the kernel itself gives up.
    client = socket.socket()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 6)
    wait.ready(peer=named(server.getsockname()))
    begun = wait.begin()
    wait.for_ever(begun)
    client.connect(server.getsockname())  # here
    del queued


@waits(
    "net-connect",
    "the same with a timeout: it waits in poll",
    never=QUIET + ("net-send", "net-recv"),
)
def connect_timed(wait):
    server, queued = full_listener()
    wait.ready(peer=named(server.getsockname()), or_unnamed=["peer"])
    while True:
        with socket.socket() as client:
            client.settimeout(0.25)
            begun = wait.begin()
            try:
                client.connect(server.getsockname())  # here
            except socket.timeout:
                pass
            wait.end(begun)
    del queued


def visitors(server):
    address = server.getsockname()
    every(PERIOD, lambda: socket.create_connection(address).close())


@waits("net-accept", "accept", never=QUIET)
def accept(wait):
    server = listener()
    visitors(server)
    wait.ready()
    while True:
        begun = wait.begin()
        visitor, _ = server.accept()  # here
        wait.end(begun)
        visitor.close()


@waits("net-accept", "accept with a timeout: it waits in poll", never=QUIET + ("net-recv",))
def accept_timed(wait):
    server = listener()
    server.settimeout(5)
    visitors(server)
    wait.ready()
    while True:
        begun = wait.begin()
        visitor, _ = server.accept()  # here
        wait.end(begun)
        visitor.close()


@waits("net-recv", "recvfrom on a UDP socket", never=QUIET)
def udp_receive(wait):
    inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inbox.bind(("127.0.0.1", 0))
    outbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outbox.bind(("127.0.0.1", 0))
    inbox.connect(outbox.getsockname())
    every(PERIOD, lambda: outbox.sendto(b"x", inbox.getsockname()))
    wait.ready(peer=named(outbox.getsockname()))
    while True:
        begun = wait.begin()
        inbox.recvfrom(64)  # here
        wait.end(begun)


@waits("net-recv", "recv from a unix socket with a name", never=QUIET)
def unix_receive(wait):
    path = os.path.join(folder(), "socket")
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    other, _ = server.accept()
    every(PERIOD, lambda: other.send(b"x"))
    wait.ready()
    while True:
        begun = wait.begin()
        client.recv(64)  # here
        wait.end(begun)


@waits("net-recv", "read() on a socket", never=QUIET + ("disk-read",))
def socket_read(wait):
    client = receiving(wait)
    while True:
        begun = wait.begin()
        os.read(client.fileno(), 64)  # here
        wait.end(begun)


@waits("net-recv", "a new connection for each answer", never=QUIET)
def short_lived(wait):
    server = listener()

    def serve():
        while True:
            other, _ = server.accept()
            time.sleep(PERIOD)
            other.send(b"x")
            other.close()

    beside(serve)
    wait.ready(peer=named(server.getsockname()), or_unnamed=["peer"])
    while True:
        with socket.create_connection(server.getsockname()) as client:
            begun = wait.begin()
            os.read(client.fileno(), 64)  # here
            wait.end(begun)


@waits("dns", "an answer from port 53", never=QUIET + ("net-recv",))
def name_server(wait):
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.%d" % (2 + os.getpid() % 250), 53))
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect(server.getsockname())
    every(PERIOD, lambda: server.sendto(b"x", client.getsockname()))
    poll = select.poll()
    poll.register(client, select.POLLIN)
    wait.ready(peer=named(server.getsockname()))
    while True:
        begun = wait.begin()
        poll.poll(5000)  # here
        wait.end(begun)
        client.recv(64)

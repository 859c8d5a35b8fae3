"""Waiting for work against waiting for an answer, and poll, epoll and select."""

import os
import select
import socket
import time

from .common import beside, every, listener, named, pair, waits

PERIOD = 0.06


@waits("poll-wait", "epoll on a listener and connections at rest", never=["sleep", "net-recv"])
def epoll_idle(wait):
    server = listener()
    client, other = pair()
    ring, bell = socket.socketpair()
    poll = select.epoll()
    for one in (server, other, ring):
        poll.register(one, select.EPOLLIN)
    every(PERIOD, lambda: bell.send(b"x"))
    wait.ready()
    while True:
        begun = wait.begin()
        poll.poll()  # here
        wait.end(begun)
        ring.recv(64)
        client.fileno()


@waits("poll-wait", "poll on several descriptors", never=["sleep", "net-recv", "pipe"])
def poll_several(wait):
    quiet, _end = os.pipe()
    ring, bell = socket.socketpair()
    poll = select.poll()
    poll.register(quiet, select.POLLIN)
    poll.register(ring, select.POLLIN)
    every(PERIOD, lambda: bell.send(b"x"))
    wait.ready()
    while True:
        begun = wait.begin()
        poll.poll()  # here
        wait.end(begun)
        ring.recv(64)


@waits("poll-wait", "read of an event descriptor", never=["sleep", "net-recv", "pipe", "disk-read"])
def event_descriptor(wait):
    import ctypes

    fd = ctypes.CDLL(None).eventfd(0, 0)
    every(PERIOD, lambda: os.write(fd, (1).to_bytes(8, "little")))
    wait.ready()
    while True:
        begun = wait.begin()
        os.read(fd, 8)  # here
        wait.end(begun)


def slow_server():
    """Answers every request after a while; keeps the other end's connection open."""
    server = listener()

    def serve():
        other, _ = server.accept()
        while True:
            other.recv(64)
            time.sleep(PERIOD)
            other.send(b"answer")

    beside(serve)
    return server


@waits(
    "net-recv",
    "epoll on a connection whose request is not answered",
    besides=["sleep", "poll-wait"],
)
def epoll_answer(wait):
    server = slow_server()
    client = socket.create_connection(server.getsockname())
    ring, _bell = socket.socketpair()
    poll = select.epoll()
    poll.register(client, select.EPOLLIN)
    poll.register(ring, select.EPOLLIN)
    wait.ready(peer=named(server.getsockname()))
    while True:
        # Between an answer and the next request the kernel's clock must tick.
        time.sleep(0.012)
        client.send(b"request")
        begun = wait.begin()
        poll.poll()  # here
        wait.end(begun)
        client.recv(64)


@waits("poll-wait", "epoll of a server between two requests", never=["sleep", "net-recv"])
def epoll_request(wait):
    client, other = pair()
    poll = select.epoll()
    poll.register(other, select.EPOLLIN)

    def ask():
        while True:
            time.sleep(PERIOD)
            client.send(b"request")
            client.recv(64)

    beside(ask)
    wait.ready()
    while True:
        begun = wait.begin()
        poll.poll()  # here
        wait.end(begun)
        other.recv(64)
        other.send(b"answer")

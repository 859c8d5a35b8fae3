"""Busy-waiting: a non-blocking recv, asked over and over; nothing ever comes."""

import socket

from truth import Stop, Workload


def next_message(inbox):
    while True:
        try:
            return inbox.recv(64)  # here
        except BlockingIOError:
            pass


def main():
    workload = Workload()
    inbox, outbox = socket.socketpair()
    inbox.setblocking(False)
    try:
        workload.ready("busy-waiting", "poll-spin", next_message, "recv answers EAGAIN")
        next_message(inbox)
    except Stop:
        pass
    workload.done()
    outbox.close()


main()

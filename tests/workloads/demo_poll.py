"""Busy-waiting: asks for a message without ever waiting for one; none ever comes."""

import select
import socket

from truth import Stop, Workload


class Asked:
    """How often it asked, and how often that was worth it."""

    polls = 0
    messages = 0


def next_message(inbox):
    while True:
        Asked.polls += 1
        readable, _, _ = select.select([inbox], [], [], 0)  # here
        if readable:
            return inbox.recv(64)


def main():
    workload = Workload()
    inbox, outbox = socket.socketpair()
    try:
        workload.ready(
            "busy-waiting", "poll-spin", next_message, "select with a timeout of zero, over and over"
        )
        while True:
            next_message(inbox)
            Asked.messages += 1
    except Stop:
        pass
    workload.done(polls=Asked.polls, messages=Asked.messages)
    inbox.close()
    outbox.close()


main()

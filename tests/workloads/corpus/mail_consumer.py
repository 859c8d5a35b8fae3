"""A consumer that asks its queue for mail without ever waiting for any."""

import queue

import own_clocks


def deliver(message):
    print("delivered", message)


def consume(mailbox):
    while True:
        try:
            message = mailbox.get_nowait()  # here
        except queue.Empty:  # here
            continue  # here
        deliver(message)


def main():
    mailbox = queue.Queue()
    own_clocks.ready()
    consume(mailbox)


main()

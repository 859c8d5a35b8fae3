"""Subscribes to a channel of Redis and asks for messages without a timeout."""

import os

import own_clocks
import redis


class Listener:
    def __init__(self, client, channel):
        self.subscription = client.pubsub(ignore_subscribe_messages=True)
        self.subscription.subscribe(channel)
        self.received = []

    def listen(self):
        while True:
            message = self.subscription.get_message()  # here
            if message:
                self.received.append(message)


def main():
    client = redis.Redis(unix_socket_path=os.environ["PYOBSERVE_CORPUS_REDIS"])
    listener = Listener(client, "corpus-prices")
    own_clocks.ready()
    listener.listen()


main()

"""Waits for a token by reading the time, under a quota: busy-waiting, and throttled besides."""

import time

import own_clocks


class TokenBucket:
    def __init__(self):
        self.next_token = time.time() + 3600.0

    def take(self):
        while True:
            if time.time() >= self.next_token:  # here
                return


def main():
    bucket = TokenBucket()
    own_clocks.ready()
    bucket.take()


main()

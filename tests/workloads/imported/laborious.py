"""Computes while it is imported, and imports another module."""

import time

from . import sleepy


def compute():
    until = time.thread_time() + 0.08
    while time.thread_time() < until:
        sum(range(1000))


compute()

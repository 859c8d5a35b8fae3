"""A follower that yields its CPU until the leader hands over, which it never does."""

import os

import own_clocks


class Baton:
    def __init__(self):
        self.holder = "leader"


def follow(baton, name):
    while baton.holder != name:
        os.sched_yield()  # here
    return baton


def main():
    baton = Baton()
    own_clocks.ready()
    follow(baton, "follower")


main()

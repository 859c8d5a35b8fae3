"""A consumer of a deque that tests it for truth all day."""

import collections

import own_clocks


class Inbox:
    def __init__(self):
        self.waiting = collections.deque()
        self.handled = 0

    def run(self):
        waiting = self.waiting
        while True:
            if waiting:  # here
                self.handle(waiting.popleft())

    def handle(self, item):
        self.handled += len(item)


def main():
    inbox = Inbox()
    own_clocks.ready()
    inbox.run()


main()

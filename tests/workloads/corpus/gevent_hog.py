"""A greenlet that computes between its turns, while another only wants to send heartbeats."""

import gevent
import own_clocks


class Heart:
    beats = 0

    def beat(self):
        while True:
            self.beats += 1
            gevent.sleep(0.01)


def checksum(block):
    low, high = 1, 0
    for byte in block:  # here
        low = (low + byte) % 65521  # here
        high = (high + low) % 65521  # here
    return high << 16 | low


def verify(blocks):
    while True:
        for block in blocks:
            checksum(block)
        gevent.sleep(0)


def main():
    blocks = [bytes((n * k) & 0xFF for n in range(20000)) for k in range(1, 9)]
    heart = Heart()
    own_clocks.ready()
    gevent.joinall([gevent.spawn(heart.beat), gevent.spawn(verify, blocks)])


main()

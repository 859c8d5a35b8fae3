"""Waits for the next picture of a camera process by looking at its counter in shared memory."""

import multiprocessing
import os
import time

import own_clocks


class Camera:
    def __init__(self):
        self.state = multiprocessing.RawArray("L", 4)
        if os.fork() == 0:
            while True:
                time.sleep(3600)

    def next_picture(self):
        before = self.state[0]
        while self.state[0] == before and not self.state[1]:  # here
            pass  # here
        return self.state[2]


def main():
    camera = Camera()
    own_clocks.ready()
    print(camera.next_picture())


main()

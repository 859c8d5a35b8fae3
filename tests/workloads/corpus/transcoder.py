"""Reads frames from a slow camera's pipe and transcodes each for as long as it waited."""

import os
import time
import zlib

import own_clocks

FRAME_S = 0.02


def camera(pipe):
    while True:
        time.sleep(2 * FRAME_S)
        os.write(pipe, bytes(1024))


class Transcoder:
    def __init__(self, source):
        self.source = source
        self.raw = b"".join(b"%d" % (n * n) for n in range(3000))
        began = time.thread_time()
        for _ in range(50):
            zlib.compress(self.raw, 6)
        self.passes = max(1, int(FRAME_S / ((time.thread_time() - began) / 50)))

    def next_frame(self):
        with own_clocks.waiting("pipe"):
            return os.read(self.source, 1024)

    def encode(self):
        for _ in range(self.passes):
            zlib.compress(self.raw, 6)


def main():
    source, sink = os.pipe()
    if os.fork() == 0:
        camera(sink)
    transcoder = Transcoder(source)
    own_clocks.ready()
    while True:
        transcoder.next_frame()
        transcoder.encode()


main()

"""A consumer that waits for its queue half a millisecond at a time."""

import queue

import own_clocks


class Consumer:
    def __init__(self):
        self.jobs = queue.Queue()

    def run(self):
        while True:
            try:
                job = self.jobs.get(timeout=0.0005)  # here
            except queue.Empty:
                continue
            job()


def main():
    consumer = Consumer()
    own_clocks.ready()
    consumer.run()


main()

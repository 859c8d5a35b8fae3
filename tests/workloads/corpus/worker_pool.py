"""Eight threads that wait for jobs at an empty queue."""

import queue
import threading

import own_clocks


class Worker(threading.Thread):
    def __init__(self, jobs):
        super().__init__(daemon=True)
        self.jobs = jobs

    def run(self):
        while True:
            job = self.jobs.get()
            job()


def main():
    jobs = queue.Queue()
    workers = [Worker(jobs) for _ in range(8)]
    for worker in workers:
        worker.start()
    own_clocks.ready()
    for worker in workers:
        worker.join()


main()

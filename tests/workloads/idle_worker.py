"""At rest: a worker at a queue that is written in C, and that nobody puts anything into."""

import queue

from truth import Stop, Workload


def work():
    jobs = queue.SimpleQueue()
    while True:
        try:
            jobs.get(timeout=0.5)()  # here
        except queue.Empty:
            pass


def main():
    workload = Workload()
    try:
        workload.ready("idle", None, work, "a worker at rest")
        work()
    except Stop:
        pass
    workload.done()


main()

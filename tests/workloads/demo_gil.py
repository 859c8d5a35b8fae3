"""A fight for the GIL: four threads compute, one at a time can."""

import threading

from truth import Stop, Workload

THREADS = 4


def crunch(numbers):
    total = 0
    for number in numbers:
        total += number * number % 7  # here
    return total


def work(workload, rounds, index):
    numbers = range(20_000)
    workload.thread_begins()
    while not workload.stopping:
        crunch(numbers)
        rounds[index] += 1
    workload.thread_ends()


def main():
    workload = Workload()
    rounds = [0] * THREADS
    threads = [
        threading.Thread(target=work, args=(workload, rounds, index), name="worker-%d" % index)
        for index in range(THREADS)
    ]
    try:
        workload.ready("lock-bound", "gil", crunch, "four threads compute, the GIL lets one")
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except Stop:
        pass
    for thread in threads:
        if thread.ident is not None:
            thread.join()
    workload.done(rounds=rounds)


main()

"""Busy-waiting: looks whether something has come, 100 microseconds after it last looked."""

import time

from truth import Stop, Workload


class Box:
    """Where nothing ever comes."""

    content = None


def await_content(box):
    while box.content is None:
        time.sleep(0.0001)  # here
    return box.content


def main():
    workload = Workload()
    try:
        workload.ready("busy-waiting", "micro-sleep", await_content, "sleeps of 100 microseconds")
        await_content(Box)
    except Stop:
        pass
    workload.done()


main()

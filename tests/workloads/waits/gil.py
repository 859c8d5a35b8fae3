"""Threads that compute: all but one wait for the GIL."""

from .common import waits


@waits("gil", "computing beside another thread that computes", never=["lock", "futex"])
def computing(wait):
    wait.ready()
    total = 0
    while True:
        begun = wait.begin()
        for number in range(200_000):
            total += number * number % 7  # here
        wait.end(begun)


@waits("gil", "the other one", never=["lock", "futex"])
def computing_too(wait):
    wait.ready()
    total = 0
    while True:
        begun = wait.begin()
        for number in range(200_000):
            total += number * number % 7  # here
        wait.end(begun)

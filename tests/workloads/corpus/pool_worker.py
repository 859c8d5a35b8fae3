"""A child of a multiprocessing pool, busy with its share of the primes."""

import multiprocessing

import own_clocks


def is_prime(n):
    at = 3
    while at * at <= n:  # here
        if n % at == 0:  # here
            return False
        at += 2  # here
    return n % 2 == 1


def count_primes(start):
    own_clocks.ready(whole_group=True)
    while True:
        start += sum(map(is_prime, range(start, start + 200)))


def main():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(count_primes, [10**9])


main()

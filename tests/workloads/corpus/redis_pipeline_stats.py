"""Encodes statistics and sends them to Redis in pipelines: few round trips, much Python."""

import os

import own_clocks
import redis


def record(client, samples):
    with client.pipeline(transaction=False) as pipeline:
        for name, value in samples:
            pipeline.hset("corpus:" + name, "last", value)  # here
        pipeline.execute()  # here


def main():
    client = redis.Redis(unix_socket_path=os.environ["PYOBSERVE_CORPUS_REDIS"])
    samples = [("metric-%d" % (n % 50), n * 0.1) for n in range(2000)]
    own_clocks.ready()
    while True:
        record(client, samples)


main()

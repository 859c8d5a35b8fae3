"""A worker that waits for jobs at a list of Redis, with a timeout of five seconds."""

import os

import own_clocks
import redis


def run(client, queue):
    while True:
        job = client.blpop(queue, timeout=5)
        if job is not None:
            print("job", job)


def main():
    # Some clients give up on an answer after five seconds themselves.
    client = redis.Redis(unix_socket_path=os.environ["PYOBSERVE_CORPUS_REDIS"], socket_timeout=30)
    own_clocks.ready()
    run(client, "corpus-jobs")


main()

"""Reads the stock of every article of a basket from Redis."""

import os
import zlib

import redis

from shared import modes, ratio, ready

ARTICLES = ["findings:stock:A-%d" % n for n in range(200)]
PICTURE = b"a picture of the article " * 40000


def connect():
    client = redis.Redis(unix_socket_path=os.environ["PYOBSERVE_CORPUS_REDIS"])
    client.mset({article: n for n, article in enumerate(ARTICLES)})
    return client


def stock(client):
    pieces = {}
    for article in ARTICLES:
        pieces[article] = int(client.get(article))  # here
    return pieces


def stock_at_once(client):
    return dict(zip(ARTICLES, map(int, client.mget(ARTICLES))))


def stock_by_pipeline(client):
    with client.pipeline(transaction=False) as pipeline:
        for article in ARTICLES:
            pipeline.get(article)
        return dict(zip(ARTICLES, map(int, pipeline.execute())))


def pictures(client):
    for article in ARTICLES:
        if client.get(article) is not None:
            zlib.compress(PICTURE, 6)


def main(work, client):
    ready()
    while True:
        work(client)


def compare(client):
    ratio(lambda: stock(client), lambda: stock_at_once(client))


modes(
    {
        "slow": lambda: main(stock, connect()),
        "fixed": lambda: main(stock_at_once, connect()),
        "pipelined": lambda: main(stock_by_pipeline, connect()),
        "one_get_a_job": lambda: main(pictures, connect()),
        "ratio": lambda: compare(connect()),
    }
)

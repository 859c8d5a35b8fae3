"""A worker of Celery that computes: each task queues the next."""

import os

import celery
import celery.signals
import own_clocks

app = celery.Celery("scoring", broker="redis+socket://" + os.environ["PYOBSERVE_CORPUS_REDIS"])
app.conf.task_default_queue = "corpus-scoring"
app.conf.task_ignore_result = True


def similarity(one, other):
    shared = 0
    for word in one:  # here
        shared += len(word) * (word in other)  # here
    return shared


@app.task
def score(seed):
    documents = [["w%d" % (n * k % 811) for n in range(300)] for k in range(1, 30)]
    query = set(documents[seed % 29])
    for _ in range(30):
        for document in documents:
            similarity(document, query)
    score.delay(seed + 1)


@celery.signals.worker_ready.connect
def _ready(**_):
    score.delay(1)
    own_clocks.ready()


app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-mingle", "--without-gossip"])

"""A worker of Celery with Redis for a broker and nothing to do."""

import os

import celery
import celery.signals
import own_clocks

app = celery.Celery("idle", broker="redis+socket://" + os.environ["PYOBSERVE_CORPUS_REDIS"])
app.conf.task_default_queue = "corpus-idle"


@app.task
def greet(name):
    return "hello " + name


@celery.signals.worker_ready.connect
def _ready(**_):
    own_clocks.ready()


app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-mingle", "--without-gossip"])

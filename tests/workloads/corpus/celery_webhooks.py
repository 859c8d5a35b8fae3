"""A worker of Celery whose tasks each wait for a slow web hook."""

import os
import urllib.request

import celery
import celery.signals
import own_clocks
from peers import Peer

app = celery.Celery("hooks", broker="redis+socket://" + os.environ["PYOBSERVE_CORPUS_REDIS"])
app.conf.task_default_queue = "corpus-hooks"
app.conf.task_ignore_result = True


def post(url):
    with own_clocks.waiting("network"):
        with urllib.request.urlopen(url, timeout=10) as answer:  # here
            return answer.status


@app.task
def notify(url):
    post(url)
    notify.delay(url)


@celery.signals.worker_ready.connect
def _ready(**_):
    notify.delay(Peer("http", 0.15).url)
    own_clocks.ready()


app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-mingle", "--without-gossip"])

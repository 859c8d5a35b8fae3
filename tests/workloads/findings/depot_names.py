"""Asks a depot by its name for the stock of each article, of a name server that takes a while.

It runs in a mount namespace of its own, whose resolv.conf has a name server of this program.
"""

import http.client
import os
import sys
import tempfile
import urllib.request

NAMES_IN = "DEPOT_NAMES_IN"


# In a root of its own nothing can be made private, and is so already.
SCRIPT = """
unshare --mount true 2> /dev/null || unchanged="--propagation unchanged"
exec unshare --mount $unchanged sh -c 'mount --bind "$0" /etc/resolv.conf && exec "$@"' "$@"
"""


def begin_again():
    """Where names are asked of a file of ours."""
    os.environ[NAMES_IN] = tempfile.mkstemp()[1]
    again = [sys.executable, os.path.abspath(__file__), sys.argv[1]]
    os.execvp("sh", ["sh", "-c", SCRIPT, "sh", os.environ[NAMES_IN]] + again)


# What is shared takes stdout away.
if NAMES_IN not in os.environ:
    begin_again()

from shared import NameServer, Peer, modes, ratio, ready  # noqa: E402

NAME = "stock.depot.test"
ARTICLES = ["/articles/%d" % n for n in range(20)]


def with_names(work):
    with open("/etc/resolv.conf", "w") as conf:
        conf.write("nameserver %s\n" % NameServer(0.02).address)
    os.unlink(os.environ[NAMES_IN])
    work()


def ask(host):
    for article in ARTICLES:
        with urllib.request.urlopen("http://%s%s" % (host, article)) as answer:  # here
            answer.read()


class Depot:
    def __init__(self, host):
        self.connection = http.client.HTTPConnection(host)

    def ask(self, _):
        for article in ARTICLES:
            self.connection.request("GET", article)
            self.connection.getresponse().read()


def main(work, host):
    ready()
    while True:
        work(host)


def keep(host):
    main(Depot(host).ask, host)


def depot(seconds=0.0005):
    return "%s:%d" % (NAME, Peer("http", seconds).port)


def by_address():
    return "127.0.0.1:%d" % Peer("http", 0.005).port


def compare(host):
    ratio(lambda: ask(host), lambda ask=Depot(host).ask: ask(host))


modes(
    {
        "slow": lambda: with_names(lambda: main(ask, depot())),
        "fixed": lambda: with_names(lambda: keep(depot())),
        "slow_answers": lambda: with_names(lambda: keep(depot(0.02))),
        "by_address": lambda: with_names(lambda: main(ask, by_address())),
        "ratio": lambda: with_names(lambda: compare(depot())),
    }
)

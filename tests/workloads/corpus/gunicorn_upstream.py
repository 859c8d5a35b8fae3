"""A sync worker of gunicorn under load whose handler waits for another service."""

import urllib.request

import gunicorn.app.base
import own_clocks
from peers import Callers, Peer, free_port


class Gateway:
    def __init__(self, upstream):
        self.upstream = upstream

    def __call__(self, _environ, start_response):
        body = self.fetch()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def fetch(self):
        with own_clocks.waiting("network"):
            with urllib.request.urlopen(self.upstream, timeout=10) as page:  # here
                return page.read()


class Site(gunicorn.app.base.BaseApplication):
    def __init__(self, gateway, port):
        self.gateway, self.port = gateway, port
        super().__init__()

    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:%d" % self.port)
        self.cfg.set("loglevel", "error")
        self.cfg.set("post_worker_init", lambda worker: own_clocks.ready(whole_group=True))

    def load(self):
        return self.gateway


def main():
    port = free_port()
    callers = Callers(port, 3)
    Site(Gateway(Peer("http", 0.08).url), port).run()
    return callers


main()

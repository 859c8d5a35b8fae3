"""A worker of gunicorn that nobody calls."""

import gunicorn.app.base
import own_clocks


def application(_environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


class Site(gunicorn.app.base.BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("loglevel", "error")
        self.cfg.set("post_worker_init", lambda worker: own_clocks.ready(whole_group=True))

    def load(self):
        return application


Site().run()

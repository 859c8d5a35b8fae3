"""Flask with the server that it brings along, and no callers."""

import threading

import flask
import own_clocks
from werkzeug.serving import make_server

app = flask.Flask("idle")


@app.route("/")
def index():
    return "hello"


def main():
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    own_clocks.ready()
    thread.join()


main()

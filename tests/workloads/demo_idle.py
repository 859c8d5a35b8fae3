"""At rest: a server that nobody calls."""

import selectors
import socket
import time

from truth import Stop, Workload


def serve(selector, workload):
    while True:
        asked_ns = time.monotonic_ns()
        try:
            ready = selector.select()  # here
        finally:
            workload.waited("poll-wait", time.monotonic_ns() - asked_ns)
        for key, _ in ready:
            connection, _ = key.fileobj.accept()
            connection.close()


def main():
    workload = Workload()
    listener = socket.create_server(("127.0.0.1", 0))
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    try:
        workload.ready("idle", None, serve, "a server at rest, not waiting for anyone in particular")
        serve(selector, workload)
    except Stop:
        pass
    workload.done()
    selector.close()
    listener.close()


main()

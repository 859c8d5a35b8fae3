"""Does what is audited, and counts it by an audit hook of its own.

Waits for a byte on stdin before it begins, and for another before it ends.
"""

import json
import os
import socket
import sys
import tempfile


def read_all(path):
    for _ in range(300):
        with open(path) as file:  # here
            file.read()


def evaluate():
    for number in range(40):
        eval("%d + 1" % number)


def connect(port):
    for _ in range(7):
        with socket.socket() as client:
            client.connect(("127.0.0.1", port))


def main():
    seen = {}

    def hook(event, _):
        seen[event] = seen.get(event, 0) + 1

    with tempfile.NamedTemporaryFile() as file, socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        port = server.getsockname()[1]
        sys.addaudithook(hook)
        print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
        sys.stdin.read(1)
        seen.clear()
        read_all(file.name)
        evaluate()
        connect(port)
        counted = dict(seen)
        print(json.dumps({"seen": counted}), flush=True)
        sys.stdin.read()
        print(json.dumps({"done": True}), flush=True)


main()

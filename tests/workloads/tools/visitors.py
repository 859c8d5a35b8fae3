"""Visitors of shop.py: asks for its pages until its stdin closes. The port is its argument."""

import http.client
import sys
import threading
import time

PATHS = ["/", "/articles/7", "/stock", "/articles/12"]


def visit(port):
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            for path in PATHS:
                connection.request("GET", path)
                connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.1)


for _ in range(4):
    threading.Thread(target=visit, args=(int(sys.argv[1]),), daemon=True).start()
sys.stdin.read()

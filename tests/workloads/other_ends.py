"""UDP sockets with several other ends, and with one."""

import json
import os
import socket
import sys
import threading
import time


def answer(own):
    while True:
        text, peer = own.recvfrom(16)
        time.sleep(0.02)
        own.sendto(text, peer)


def serve():
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.bind(("127.0.0.1", 0))
    threading.Thread(target=answer, args=(own,), daemon=True).start()
    return own.getsockname()


def ask_several(peers):
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for peer in peers:
            own.sendto(b"q", peer)
            own.recvfrom(16)


def ask_one(peers):
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    own.connect(peers[0])
    while True:
        own.send(b"q")
        own.recv(16)


def main():
    askers = {ask_several: [serve(), serve()], ask_one: [serve()]}
    for work, peers in askers.items():
        threading.Thread(target=work, args=(peers,), daemon=True).start()
    peer = "%s:%d" % askers[ask_one][0]
    print(json.dumps({"ready": True, "pid": os.getpid(), "one": peer}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

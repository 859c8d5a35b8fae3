"""Sockets with several other ends, and with one; numbers that are one socket after the other."""

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


def accept(own):
    while True:
        other, _ = own.accept()
        text = other.recv(16)
        time.sleep(0.02)
        other.sendall(text)
        other.close()


def serve_streams():
    """In a process of its own, so that each connection has the same number here."""
    own = socket.socket()
    own.bind(("127.0.0.1", 0))
    own.listen()
    name = own.getsockname()
    if os.fork() == 0:
        accept(own)
    own.close()
    return name


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


def ask_in_turn(peers):
    own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for peer in peers:
            own.connect(peer)
            own.send(b"q")
            own.recv(16)


def ask_anew(peers):
    while True:
        for peer in peers:
            with socket.create_connection(peer) as own:
                own.sendall(b"q")
                own.recv(16)


def main():
    streams = [serve_streams(), serve_streams()]  # Before there are threads.
    askers = {
        ask_several: [serve(), serve()],
        ask_in_turn: [serve(), serve()],
        ask_anew: streams,
        ask_one: [serve()],
    }
    for work, peers in askers.items():
        threading.Thread(target=work, args=(peers,), daemon=True).start()
    names = {
        "one": "%s:%d" % askers[ask_one][0],
        "streams": ["%s:%d" % name for name in streams],
    }
    print(json.dumps({"ready": True, "pid": os.getpid(), **names}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

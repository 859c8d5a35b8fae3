"""A service that must not start before its model is loaded, and asks all the time."""

import threading

import own_clocks


def load_model(loaded, never):
    never.wait()  # A download that hangs.
    loaded.set()


def serve(loaded):
    while not loaded.is_set():  # here
        continue  # here
    print("serving")


def main():
    loaded = threading.Event()
    threading.Thread(target=load_model, args=(loaded, threading.Event()), daemon=True).start()
    own_clocks.ready()
    serve(loaded)


main()

"""One thread validates a huge field with a pattern that holds the GIL; the others want it."""

import re
import threading

import own_clocks

PATTERN = re.compile(r"(?:a?){16}a{16}$")


def validate(field):
    while True:
        PATTERN.match(field)  # here


def heartbeat(beats):
    while True:
        beats.append(len(beats) % 7)
        if len(beats) > 1000:
            beats.clear()


def main():
    threading.Thread(target=validate, args=("a" * 16,), daemon=True).start()
    threads = [threading.Thread(target=heartbeat, args=([],), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    own_clocks.ready()
    threads[0].join()


main()

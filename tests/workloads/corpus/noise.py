"""A noisy neighbour, until stdin closes: `noise.py cpu|disk|switches|calls|memory`."""

import os
import sys
import tempfile
import threading
import time

# Of switches and of calls.
A_SECOND = 50_000
TURN_S = 0.01
# Of memory.
FILE_BYTES = 1 << 30
READ_BYTES = 1 << 20


def cpu():
    while True:
        pass


def disk():
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        block = os.urandom(1 << 20)
        while True:
            file.seek(0)
            for _ in range(32):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())


def paced(do, times):
    """Does it so often in each turn."""
    due = time.monotonic()
    while True:
        for _ in range(times):
            do()
        due += TURN_S
        time.sleep(max(0.0, due - time.monotonic()))


def echo():
    """Another process that sends back what it gets: where to write, and where to read."""
    there, back = os.pipe(), os.pipe()
    if os.fork() == 0:
        os.close(there[1])
        os.close(back[0])
        # Until the other end has gone.
        while os.write(back[1], os.read(there[0], 1) or sys.exit()):
            pass
    os.close(there[0])
    os.close(back[1])
    return there[1], back[0]


def switches(there, back):
    def round_trip():
        os.write(there, b"x")
        os.read(back, 1)

    # Each of the two is switched out and in once.
    paced(round_trip, int(A_SECOND * TURN_S / 4))


def calls():
    paced(os.getppid, int(A_SECOND * TURN_S))


def memory():
    """Reads a file of holes four times as large as what its control group may have: all of
    that is page cache soon, and each page that anybody there needs has to be taken back."""
    with tempfile.TemporaryFile(dir="/var/tmp") as file:
        file.truncate(FILE_BYTES)
        at = 0

        def read():
            nonlocal at
            os.pread(file.fileno(), READ_BYTES, at)
            at = (at + READ_BYTES) % FILE_BYTES

        paced(read, 2)


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


KINDS = {"cpu": cpu, "disk": disk, "switches": switches, "calls": calls, "memory": memory}


def main(kind):
    # A process with threads should not fork.
    ends = echo() if kind == "switches" else ()
    threading.Thread(target=end_with_stdin, daemon=True).start()
    KINDS[kind](*ends)


if __name__ == "__main__":
    main(sys.argv[1])

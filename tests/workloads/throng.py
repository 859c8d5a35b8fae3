"""Thousands of threads created and gone while it is watched: `throng.py THREADS`.

Each naps once. The last line has how many there were, and the naps by their own clocks.
"""

import json
import os
import sys
import threading
import time

THREADS = int(sys.argv[1])
AT_A_TIME = 200

naps = []
clock = []
go = threading.Event()


def nap():
    begin = time.monotonic_ns()
    time.sleep(0.002)
    naps.append(time.monotonic_ns() - begin)


def breed():
    go.wait()
    clock.append((time.time_ns(), time.process_time_ns()))
    for _ in range(THREADS // AT_A_TIME):
        threads = [threading.Thread(target=nap) for _ in range(AT_A_TIME)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    clock.append((time.time_ns(), time.process_time_ns()))
    print(json.dumps({"bred": len(naps)}), flush=True)


breeder = threading.Thread(target=breed, daemon=True)
breeder.start()
print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
# One byte: begin. End of file: end.
os.read(0, 1)
go.set()
while os.read(0, 4096):
    pass
breeder.join()
print(json.dumps({"done": True, "naps": naps, "clock": clock}), flush=True)
sys.stdout.flush()
os._exit(0)

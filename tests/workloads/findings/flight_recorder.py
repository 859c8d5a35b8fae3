"""Keeps what happened on a flight as one text, which starts anew at a megabyte."""

from shared import modes, ratio, ready

LIMIT = 1000000
EVENTS = ["%06d altitude %d ft, speed %d kt\n" % (n, 30000 + n % 700, 400 + n % 60) for n in range(30000)]

trace = ""
length = 0
parts = []


def record(event):
    global trace
    trace += event  # here
    if len(trace) > LIMIT:
        trace = ""


def record_part(event):
    global length
    parts.append(event)
    length += len(event)
    if length > LIMIT:
        "".join(parts)
        parts.clear()
        length = 0


def count(event):
    global length
    length += len(event)


def fly(recorder, events):
    for event in events:
        recorder(event)


def main(recorder):
    ready()
    while True:
        fly(recorder, EVENTS)


modes(
    {
        "slow": lambda: main(record),
        "fixed": lambda: main(record_part),
        "ints": lambda: main(count),
        "ratio": lambda: ratio(lambda: fly(record, EVENTS[:5000]), lambda: fly(record_part, EVENTS[:5000])),
    }
)

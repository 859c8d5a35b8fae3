"""Counts the scanned shipments that customs hold."""

from shared import modes, ratio, ready

HELD = ["SHP-%07d" % (n * 37) for n in range(100000)]
SCANNED = ["SHP-%07d" % (n * 7417) for n in range(100)]
STATES = ["moving", "held", "delivered", "seized"] * 25000


def is_known(number, held):
    return number in held  # here


def count_held(scanned, held):
    count = 0
    for number in scanned:
        if is_known(number, held):
            count += 1
    return count


def count_stopped(states):
    count = 0
    for state in states:
        if state in ("held", "seized", "returned"):
            count += 1
    return count


def main(count, *arguments):
    ready()
    while True:
        count(*arguments)


modes(
    {
        "slow": lambda: main(count_held, SCANNED, HELD),
        "fixed": lambda: main(count_held, SCANNED, set(HELD)),
        "small_list": lambda: main(count_stopped, STATES),
        "dict": lambda: main(count_held, SCANNED, {number: "customs" for number in HELD}),
        "substring": lambda: main(count_held, SCANNED, " ".join(HELD)),
        "ratio": lambda: ratio(
            lambda: count_held(SCANNED, HELD),
            lambda held=set(HELD): count_held(SCANNED, held),
        ),
    }
)

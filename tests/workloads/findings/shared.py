"""What the programs of this folder share: their mode, their start, and two times compared.

A program is one finding: `slow` must raise it, `fixed` and the look-alikes must not, and
`ratio` says what the mending is worth. What they are stands in labels.toml.
"""

import json
import os
import sys
import time

_STDOUT = os.dup(1)

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "corpus"))

from own_clocks import at_end, ready  # noqa: E402, F401
from peers import NameServer, Peer  # noqa: E402, F401


def modes(programs):
    """Runs the program that the command line names."""
    programs[sys.argv.pop(1)]()


def ratio(slow, fixed):
    """Prints how long the same work takes both ways, as one line of JSON."""
    times = {"slow_ns": _best(slow), "fixed_ns": _best(fixed)}
    os.write(_STDOUT, json.dumps(times).encode() + b"\n")


def _best(work):
    times = []
    for _ in range(3):
        began_ns = time.perf_counter_ns()
        work()
        times.append(time.perf_counter_ns() - began_ns)
    return min(times)

"""A target of `cargo xtask bench`: a process with as many functions as it is told.

Names and lines differ; a file has a hundred of them. Prints the addresses of their code
objects and waits until its stdin closes. Standard library only, CPython 3.8 and newer.
"""

import json
import sys

IN_A_FILE = 100
LINES = 12


def source(first, count):
    lines = []
    for n in range(first, first + count):
        lines.append("def function_number_%d(values, total):" % n)
        for line in range(LINES):
            lines.append("    total = values[%d] + total * %d" % (line, n % 251))
        lines.append("    return total")
    return "\n".join(lines)


def main():
    functions = []
    for first in range(0, int(sys.argv[1]), IN_A_FILE):
        count = min(IN_A_FILE, int(sys.argv[1]) - first)
        scope = {}
        name = "/srv/application/package/module_%d.py" % (first // IN_A_FILE)
        exec(compile(source(first, count), name, "exec"), scope)
        functions += [scope["function_number_%d" % n] for n in range(first, first + count)]
    print(json.dumps({"codes": [id(function.__code__) for function in functions]}), flush=True)
    sys.stdin.read()


main()

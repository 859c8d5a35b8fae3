"""Makes as many functions as asked and says where their code objects are."""

import json
import sys

functions = []
for start in range(0, int(sys.argv[1]), 1000):
    names = ["f%d" % n for n in range(start, start + 1000)]
    source = "".join("def %s(x):\n    y = x + 1\n    return y\n" % name for name in names)
    scope = {}
    exec(compile(source, "/srv/app/module_%d.py" % start, "exec"), scope)
    functions += [scope[name] for name in names]
print(json.dumps([id(function.__code__) for function in functions]), flush=True)
next(sys.stdin)

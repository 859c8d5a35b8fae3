"""Says where two code objects are; when told, frees one of them."""

import gc
import json
import sys


def generate(name):
    scope = {}
    exec(compile("def %s(): pass\n" % name, "/srv/%s.py" % name, "exec"), scope)
    return scope[name]


freed = generate("freed")
kept = generate("kept")
print(json.dumps({"freed": id(freed.__code__), "kept": id(kept.__code__)}), flush=True)
next(sys.stdin)
del freed
gc.collect()
print("FREED", flush=True)
next(sys.stdin)

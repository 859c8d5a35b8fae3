"""Says in one line of JSON what this interpreter's opcodes are, by its own modules.

version: as in "3.13.0". opcodes: a row for each number that bytecode can have:
[number, base operation, inline cache entries, has an argument, jump], the last one of
"", "absolute", "forward", "backward". A specialized, instrumented or super-instruction is
a row of the operation that the interpreter itself puts back in its place.
"""

import dis
import json
import opcode
import sys


def caches():
    """Inline cache entries by base operation (3.11 and later)."""
    entries = getattr(opcode, "_inline_cache_entries", {})
    if hasattr(entries, "items"):
        return entries
    return {dis.opname[number]: count for number, count in enumerate(entries)}


def bases():
    """Base operation by number, of everything that is no pseudo instruction."""
    every = dict(opcode.opmap)
    every.update(getattr(dis, "_all_opmap", {}))
    deoptimized = getattr(dis, "_deoptop", lambda number: number)
    found = {}
    for name, number in every.items():
        if number >= 256:
            continue
        base = dis.opname[deoptimized(number)]
        _, instrumented, original = name.partition("INSTRUMENTED_")
        # INSTRUMENTED_LINE and INSTRUMENTED_INSTRUCTION keep the original elsewhere.
        if instrumented and original in opcode.opmap:
            base = original
        found[number] = base
    return found


def has_arg(number):
    if hasattr(opcode, "hasarg"):
        return number in opcode.hasarg
    return number >= opcode.HAVE_ARGUMENT


def jump(number):
    if number in opcode.hasjabs:
        return "absolute"
    if number not in opcode.hasjrel:
        return ""
    is_backward = getattr(dis, "_is_backward_jump", lambda number: False)
    return "backward" if is_backward(number) else "forward"


def main():
    entries = caches()
    rows = []
    for number, base in sorted(bases().items()):
        of = opcode.opmap[base]
        rows.append([number, base, entries.get(base, 0), has_arg(of), jump(of)])
    version = "%d.%d.%d" % sys.version_info[:3]
    print(json.dumps({"version": version, "opcodes": rows}))


main()

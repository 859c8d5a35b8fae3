"""Compiles the standard library and says of each code object what the interpreter says.

`code_objects.py LIMIT`: about LIMIT files, spread over the library; 0 means all.

The first line is the workload's usual one. Then records follow, in the byte order of
the host: seven 32-bit numbers and the address (see RECORD), then the name, the qualified
name, the file name, the line table, and the ranges (first offset, end, line or -1).
A record of address 0 is the last one. All code objects live until stdin closes.
"""

import array
import ctypes
import dis
import json
import os
import struct
import sys
import types
import warnings

#: address, first line, bytes of name, of qualified name (-1: there is none), of file
#: name, of table, count of ranges
RECORD = struct.Struct("=Q6i")

addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]
addr2line.restype = ctypes.c_int
keep = []


def all_codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from all_codes(const)


def ranges_by_interpreter(code):
    """What tracebacks of 3.8 and 3.9 are made with, for every instruction."""
    ranges = []
    for at in range(0, len(code.co_code), 2):
        line = addr2line(code, at)
        if ranges and ranges[-1][2] == line:
            ranges[-1][1] = at + 2
        else:
            ranges.append([at, at + 2, line])
    return ranges


def ranges_by_dis(code):
    """The same by `dis`, which reads the table in Python."""
    starts = list(dis.findlinestarts(code))
    if not starts or starts[0][0] != 0:
        starts.insert(0, (0, code.co_firstlineno))
    ends = [at for at, _ in starts[1:]] + [len(code.co_code)]
    ranges = []
    for (start, line), end in zip(starts, ends):
        if ranges and ranges[-1][2] == line:
            ranges[-1][1] = end
        else:
            ranges.append([start, end, line])
    return ranges


def ranges_of(code):
    if hasattr(code, "co_lines"):
        return [(start, end, -1 if line is None else line) for start, end, line in code.co_lines()]
    ranges = ranges_by_interpreter(code)
    assert ranges == ranges_by_dis(code), (code, ranges, ranges_by_dis(code))
    return ranges


def check_traceback():
    """A real traceback has the lines that PyCode_Addr2Line gives."""
    try:
        json.loads(
            '{"a": [1, 2, }',
        )
    except ValueError as error:
        trace = error.__traceback__
        while trace is not None:
            line = addr2line(trace.tb_frame.f_code, trace.tb_lasti)
            assert line == trace.tb_lineno, (line, trace.tb_lineno)
            trace = trace.tb_next


def files(limit):
    library = os.path.dirname(os.__file__)
    found = []
    for folder, _, names in os.walk(library):
        if "site-packages" not in folder and "dist-packages" not in folder:
            found += [os.path.join(folder, name) for name in names if name.endswith(".py")]
    # Spread over the whole library, the same files every time.
    found.sort()
    return found[:: max(1, len(found) // limit)] if limit else found


def encoded(text):
    return text.encode("utf-8", "surrogatepass")


def write(out, code):
    name, file = encoded(code.co_name), encoded(code.co_filename)
    qualname = getattr(code, "co_qualname", None)
    table = code.co_linetable if hasattr(code, "co_linetable") else code.co_lnotab
    ranges = ranges_of(code)
    qualname_bytes = b"" if qualname is None else encoded(qualname)
    out.write(
        RECORD.pack(
            id(code),
            code.co_firstlineno,
            len(name),
            -1 if qualname is None else len(qualname_bytes),
            len(file),
            len(table),
            len(ranges),
        )
    )
    flat = array.array("i", [number for entry in ranges for number in entry])
    for part in (name, qualname_bytes, file, table, flat.tobytes()):
        out.write(part)


def main(limit):
    warnings.simplefilter("ignore")
    check_traceback()
    print(json.dumps({"ready": True, "pid": os.getpid()}), flush=True)
    out = sys.stdout.buffer
    for path in files(limit):
        with open(path, "rb") as file:
            source = file.read()
        try:
            code = compile(source, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError):
            continue  # test data
        keep.append(code)
        for code in all_codes(code):
            write(out, code)
    out.write(RECORD.pack(0, 0, 0, 0, 0, 0, 0))
    out.flush()
    sys.stdin.read()


main(int(sys.argv[1]))

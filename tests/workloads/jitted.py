"""Computes in machine code that is in no file, and says so as compilers at run time do.

`jitted.py NAME`: a loop of two instructions in anonymous memory, called NAME in
/tmp/perf-PID.map. Without NAME there is no such file.
"""

import ctypes
import mmap
import os
import sys

from truth import Stop, Workload

# mov rcx, rdi; again: dec rcx; jnz again; ret
MACHINE_CODE = bytes.fromhex("4889f9 48ffc9 75fb c3")


def calls(spin):
    while True:
        spin(10_000_000)  # here


def main():
    names = sys.argv[1:]
    del sys.argv[1:]
    workload = Workload()
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(MACHINE_CODE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    spin = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(address)
    perf_map = "/tmp/perf-%d.map" % os.getpid()
    if names:
        with open(perf_map, "w") as file:
            file.write("%x %x %s\n" % (address, len(MACHINE_CODE), names[0]))
    try:
        workload.ready("cpu-bound", "native", calls, "computes in code made at run time")
        calls(spin)
    except Stop:
        pass
    finally:
        if names:
            os.unlink(perf_map)
    workload.done()


main()

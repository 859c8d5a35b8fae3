/* What the compiler makes of CPython's headers, for main.rs to read from the object
 * file: nothing of it runs. 3.8 to 3.15, with the GIL or with -DPy_GIL_DISABLED. */
#define Py_BUILD_CORE 1
#include <stddef.h>
#include <stdint.h>
#include "Python.h"
#include "frameobject.h"
#if PY_VERSION_HEX < 0x030b0000
#include "longintrepr.h"
#endif
#include "structmember.h"
#include "pycore_pystate.h"
#if PY_VERSION_HEX >= 0x03090000
#include "pycore_interp.h"
#include "pycore_runtime.h"
#endif
#if PY_VERSION_HEX >= 0x030b0000
#include "pycore_frame.h"
#endif
#if PY_VERSION_HEX >= 0x030d0000
#include "pycore_ceval.h"
#include "pycore_runtime_init.h"
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "pycore_debug_offsets.h"
#include "pycore_interpframe_structs.h"
#include "pycore_stackref.h"
#endif

#define IN(name) __attribute__((used, aligned(8), section(".pyobserve." name))) static
#define FACT(name, value) {name, (uint64_t)(value)},
#define AT(name, type, field) FACT(name, offsetof(type, field))

struct fact {
    char name[64];
    uint64_t value;
};

#if PY_VERSION_HEX >= 0x030b0000
#define FRAME _PyInterpreterFrame
#define CODE_QUALNAME co_qualname
#define THREADS_HEAD threads.head
#else
#define FRAME PyFrameObject
#define CODE_QUALNAME co_name
#define THREADS_HEAD tstate_head
#endif

IN("facts") const struct fact facts[] = {
    FACT("PY_VERSION_HEX", PY_VERSION_HEX)
    FACT("sizeof(_PyRuntimeState)", sizeof(_PyRuntimeState))
    AT("_PyRuntimeState.interpreters.head", _PyRuntimeState, interpreters.head)
    AT("_PyRuntimeState.interpreters.main", _PyRuntimeState, interpreters.main)
    AT("PyInterpreterState.threads.head", PyInterpreterState, THREADS_HEAD)
    AT("PyInterpreterState.next", PyInterpreterState, next)
    AT("PyThreadState.next", PyThreadState, next)
    AT("PyThreadState.interp", PyThreadState, interp)
    AT("PyThreadState.thread_id", PyThreadState, thread_id)
#if PY_VERSION_HEX >= 0x030b0000
    AT("PyThreadState.native_thread_id", PyThreadState, native_thread_id)
    AT("PyThreadState.datastack_chunk", PyThreadState, datastack_chunk)
    FACT("datastack_top - datastack_chunk",
         offsetof(PyThreadState, datastack_top) - offsetof(PyThreadState, datastack_chunk))
    FACT("datastack_limit - datastack_chunk",
         offsetof(PyThreadState, datastack_limit) - offsetof(PyThreadState, datastack_chunk))
    AT("_PyStackChunk.previous", _PyStackChunk, previous)
    AT("_PyStackChunk.data", _PyStackChunk, data)
#endif

#if PY_VERSION_HEX >= 0x030d0000
    AT("PyThreadState.frame", PyThreadState, current_frame)
#elif PY_VERSION_HEX >= 0x030b0000
    AT("PyThreadState.frame", PyThreadState, cframe)
    AT("_PyCFrame.current_frame", _PyCFrame, current_frame)
    FACT("_PyCFrame.previous - current_frame",
         offsetof(_PyCFrame, previous) - offsetof(_PyCFrame, current_frame))
#else
    AT("PyThreadState.frame", PyThreadState, frame)
#endif

#if PY_VERSION_HEX >= 0x030d0000
    AT("frame.code", FRAME, f_executable)
#else
    AT("frame.code", FRAME, f_code)
#endif
#if PY_VERSION_HEX >= 0x030d0000
    AT("frame.instr", FRAME, instr_ptr)
#elif PY_VERSION_HEX >= 0x030b0000
    AT("frame.instr", FRAME, prev_instr)
#else
    AT("frame.instr", FRAME, f_lasti)
#endif
#if PY_VERSION_HEX >= 0x030b0000
    FACT("frame.instr spare bits", 0)
    AT("frame.previous", FRAME, previous)
#else
    FACT("frame.instr spare bits", 64 - 8 * sizeof(((FRAME *)0)->f_lasti))
    AT("frame.previous", FRAME, f_back)
#endif
#if PY_VERSION_HEX >= 0x030e0000
    AT("frame.owner", FRAME, owner)
    FACT("first placeholder owner", FRAME_OWNED_BY_INTERPRETER)
    FACT("code pointer's tag", Py_TAG_REFCNT)
#elif PY_VERSION_HEX >= 0x030c0000
    AT("frame.owner", FRAME, owner)
    FACT("first placeholder owner", FRAME_OWNED_BY_CSTACK)
    FACT("code pointer's tag", 0)
#else
#if PY_VERSION_HEX >= 0x030b0000
    AT("frame.is_entry", FRAME, is_entry)
    AT("frame.root", FRAME, owner)
#else
    AT("frame.root", FRAME, f_gen)
#endif
    FACT("code pointer's tag", 0)
#endif

    AT("PyObject.ob_type", PyObject, ob_type)
    AT("PyTypeObject.tp_members", PyTypeObject, tp_members)
    AT("PyTypeObject.tp_name", PyTypeObject, tp_name)
    AT("PyTypeObject.tp_basicsize", PyTypeObject, tp_basicsize)
    FACT("sizeof(PyObject)", sizeof(PyObject))
#if PY_VERSION_HEX >= 0x030d0000
    /* An RLock is an object's head and one of these from 3.14 on. */
    FACT("RLock.thread", sizeof(PyObject) + offsetof(_PyRecursiveMutex, thread))
    FACT("RLock.level", sizeof(PyObject) + offsetof(_PyRecursiveMutex, level))
#endif
    FACT("sizeof(PyMemberDef)", sizeof(PyMemberDef))
    AT("PyMemberDef.offset", PyMemberDef, offset)
    AT("PyCodeObject.co_flags", PyCodeObject, co_flags)
    AT("PyCodeObject.co_argcount", PyCodeObject, co_argcount)
    FACT("co_kwonlyargcount - co_argcount",
         offsetof(PyCodeObject, co_kwonlyargcount) - offsetof(PyCodeObject, co_argcount))
    AT("PyCodeObject.co_firstlineno", PyCodeObject, co_firstlineno)
    AT("PyCodeObject.co_filename", PyCodeObject, co_filename)
    AT("PyCodeObject.co_name", PyCodeObject, co_name)
    AT("PyCodeObject.co_qualname", PyCodeObject, CODE_QUALNAME)
#if PY_VERSION_HEX >= 0x030a0000
    AT("PyCodeObject.co_linetable", PyCodeObject, co_linetable)
#else
    AT("PyCodeObject.co_linetable", PyCodeObject, co_lnotab)
#endif
#if PY_VERSION_HEX >= 0x030b0000
    AT("PyCodeObject._co_firsttraceable", PyCodeObject, _co_firsttraceable)
    AT("PyCodeObject.co_code_adaptive", PyCodeObject, co_code_adaptive)
#endif
#if PY_VERSION_HEX >= 0x030e0000 && defined(Py_GIL_DISABLED)
    AT("PyCodeObject.co_tlbc", PyCodeObject, co_tlbc)
    AT("_PyCodeArray.entries", _PyCodeArray, entries)
#endif

    AT("PyCodeObject.co_consts", PyCodeObject, co_consts)
    AT("PyCodeObject.co_names", PyCodeObject, co_names)
#if PY_VERSION_HEX >= 0x030b0000
    AT("PyCodeObject.co_exceptiontable", PyCodeObject, co_exceptiontable)
    AT("PyCodeObject.co_localsplusnames", PyCodeObject, co_localsplusnames)
#else
    AT("PyCodeObject.co_code", PyCodeObject, co_code)
    AT("PyCodeObject.co_localsplusnames", PyCodeObject, co_varnames)
    AT("PyCodeObject.co_cellvars", PyCodeObject, co_cellvars)
    AT("PyCodeObject.co_freevars", PyCodeObject, co_freevars)
#endif
    AT("PyTupleObject.ob_item", PyTupleObject, ob_item)
    AT("PyFloatObject.ob_fval", PyFloatObject, ob_fval)
#if PY_VERSION_HEX >= 0x030c0000
    AT("PyLongObject.ob_digit", PyLongObject, long_value.ob_digit)
    AT("PyLongObject.lv_tag", PyLongObject, long_value.lv_tag)
#else
    AT("PyLongObject.ob_digit", struct _longobject, ob_digit)
#endif

    AT("PyVarObject.ob_size", PyVarObject, ob_size)
    AT("PyBytesObject.ob_sval", PyBytesObject, ob_sval)
    AT("PyASCIIObject.length", PyASCIIObject, length)
    AT("PyASCIIObject.state", PyASCIIObject, state)
    FACT("sizeof(PyASCIIObject)", sizeof(PyASCIIObject))
    FACT("sizeof(PyCompactUnicodeObject)", sizeof(PyCompactUnicodeObject))

#if PY_VERSION_HEX >= 0x030c0000
    AT("PyInterpreterState.ceval.gil", PyInterpreterState, ceval.gil)
#else
    AT("_PyRuntimeState.ceval.gil", _PyRuntimeState, ceval.gil)
#endif
#ifdef Py_GIL_DISABLED
    AT("gil.enabled", struct _gil_runtime_state, enabled)
#endif
    AT("gil.interval", struct _gil_runtime_state, interval)
    AT("gil.last_holder", struct _gil_runtime_state, last_holder)
    AT("gil.locked", struct _gil_runtime_state, locked)
    AT("gil.cond", struct _gil_runtime_state, cond)
    FACT("gil.end", offsetof(struct _gil_runtime_state, switch_mutex) + sizeof(PyMUTEX_T))

#if PY_VERSION_HEX >= 0x030d0000
    FACT("sizeof(_Py_DebugOffsets)", sizeof(_Py_DebugOffsets))
#define WORD(group, name) AT("_Py_DebugOffsets." #group "." #name, _Py_DebugOffsets, group.name)
    WORDS
#endif
};

/* Bit fields have no offset: each is set in an object of its own. */
IN("unicode_kind") const PyASCIIObject of_kind_1 = {.state = {.kind = 1}};
IN("unicode_compact") const PyASCIIObject compact = {.state = {.compact = 1}};
IN("unicode_ascii") const PyASCIIObject ascii = {.state = {.ascii = 1}};

#if PY_VERSION_HEX >= 0x030e0000
IN("debug_offsets") _Py_DebugOffsets published = _Py_DebugOffsets_INIT(_Py_Debug_Cookie);
#elif PY_VERSION_HEX >= 0x030d0000
IN("debug_offsets") _PyRuntimeState published = _PyRuntimeState_INIT(published, _Py_Debug_Cookie);
#endif

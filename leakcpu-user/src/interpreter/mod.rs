//! CPython: versions, layouts, remote reads, code objects, line tables.

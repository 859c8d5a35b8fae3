//! Which processes are CPython, their life and death.

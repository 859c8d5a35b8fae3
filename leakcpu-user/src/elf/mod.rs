//! ELF facts from bytes: symbols, sections, notes.

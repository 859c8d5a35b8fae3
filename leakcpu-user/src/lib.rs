//! pyobserve: what every CPython process of a host does, waits for, and wastes.
//!
//! Data flows one way:
//!
//! ```text
//! control:  cli -> discovery -> interpreter -> probes -> (maps) -> KERNEL
//! data:     KERNEL -> collect -> symbolize -> model -> classify -> diagnose -> report
//! ```
//!
//! A room uses those to its left, never those to its right; only `cli` sees the
//! whole chain. ARCHITECTURE.md has the rules of each room.

pub mod bytecode;
pub mod classify;
pub mod cli;
pub mod collect;
pub mod diagnose;
pub mod discovery;
pub mod doctor;
pub mod elf;
pub mod interpreter;
pub mod model;
pub mod probes;
pub mod report;
pub mod session;
pub mod symbolize;

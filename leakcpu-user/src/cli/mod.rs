//! Arguments as typed -> plan -> run; exit codes.

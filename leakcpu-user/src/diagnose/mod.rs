//! One rule per file: from a classified profile to findings with evidence, cause and fix.

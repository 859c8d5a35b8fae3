//! What computes needlessly.

mod append_loop;
mod exceptions;
mod gc_thrash;
mod hot_import;
mod json;
mod list_membership;
mod loops;
mod nested_loop;
mod pandas_rowwise;
mod python_loop;
mod regex_recompile;
mod repeated_call;
mod repeated_lookup;
mod spots;
mod string_concat;

pub(super) use append_loop::AppendLoop;
pub(super) use exceptions::Exceptions;
pub(super) use gc_thrash::GcThrash;
pub(super) use hot_import::HotImport;
pub(super) use json::Json;
pub(super) use list_membership::ListMembership;
pub(super) use nested_loop::NestedLoop;
pub(super) use pandas_rowwise::PandasRowwise;
pub(super) use python_loop::PythonLoop;
pub(super) use regex_recompile::RegexRecompile;
pub(super) use repeated_call::RepeatedCall;
pub(super) use repeated_lookup::RepeatedLookup;
pub(super) use string_concat::StringConcat;

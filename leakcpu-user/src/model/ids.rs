//! Identifiers.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A process, in the initial pid namespace.
    Pid(u32)
);
id!(
    /// A thread, in the initial pid namespace.
    Tid(u32)
);
id!(
    /// Index into [`super::Process::functions`].
    FunctionId(u32)
);
id!(
    /// Index into [`super::Process::natives`].
    NativeId(u32)
);
id!(
    /// Index into [`super::Process::native_stacks`].
    NativeStackId(u32)
);
id!(
    /// Index into [`super::Process::stacks`].
    StackId(u32)
);

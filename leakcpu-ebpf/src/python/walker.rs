//! The two kinds of programs that walk, and the steps that they share.
//!
//! Programs at switches, samples and wake-ups run with interrupts off and never nest, so they
//! share a scratch. Programs at an interpreter's own probes run in the thread, which may be
//! switched, sampled or preempted meanwhile: they have another, with an owner.

use crate::maps::{SCRATCH, Scratch};

/// Switches, samples and wake-ups.
pub const SWITCH: u32 = 0;
/// Probes of the interpreter.
pub const PROBE: u32 = 1;

/// This CPU's working space of a kind of walkers.
#[inline(always)]
pub fn scratch<const WALKER: u32>() -> Option<&'static Scratch> {
    // SAFETY: values of an array stay mapped.
    SCRATCH.get_ptr(WALKER).map(|it| unsafe { &*it })
}

/// Makes steps of a walk of functions over the kind of walker: each becomes two exported
/// functions, so that they are global: the verifier goes through each once, knowing nothing of
/// its arguments, and not once for each way that leads there. A program brings along only those
/// that it calls.
macro_rules! steps {
    ($(fn $step:ident, $at_probe:ident($($argument:ident: $of:ty),*) -> $gives:ty = $body:ident;)+) => {
        mod exported {
            use super::*;

            $(
                #[unsafe(no_mangle)]
                #[inline(never)]
                pub extern "C" fn $step($($argument: $of),*) -> $gives {
                    $body::<{ $crate::python::walker::SWITCH }>($($argument),*)
                }

                #[unsafe(no_mangle)]
                #[inline(never)]
                pub extern "C" fn $at_probe($($argument: $of),*) -> $gives {
                    $body::<{ $crate::python::walker::PROBE }>($($argument),*)
                }
            )+
        }

        $(
            #[inline(always)]
            pub(super) fn $step<const WALKER: u32>($($argument: $of),*) -> $gives {
                if WALKER == $crate::python::walker::SWITCH {
                    exported::$step($($argument),*)
                } else {
                    exported::$at_probe($($argument),*)
                }
            }
        )+
    };
}

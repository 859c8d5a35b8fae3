//! Named ways to lose something: the kernel side's and our own.

use std::{cmp::Ordering, collections::BTreeMap};

use leakcpu_common::counters::{Counter, Phrase};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What was lost, by name, and how often. Always holds [`Lost::ALWAYS`]; others only when
/// not zero.
pub type Loss = BTreeMap<Lost, u64>;

/// A named way to lose something; by its name in reports and in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lost {
    /// By the kernel side.
    Kernel(Counter),
    /// By us.
    User(UserLoss),
}

/// One way in which this program loses or degrades an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserLoss {
    /// A sample that no table had room for, on either side.
    SamplesLost,
    /// A record of a ring that could not be decoded.
    EventsUndecoded,
    /// A copied code object of a process that is not known.
    CodesOfUnknownProcesses,
    /// A stack of a process that is not known.
    StacksOfUnknownProcesses,
    /// Time whose stack never came: its frames were lost on the way.
    StacksMissing,
    /// A name that was dropped to keep within memory, and may have to be read again.
    NamesEvicted,
    /// A frame that was another code object's, or may have been.
    FramesCodeReplaced,
    /// A frame whose name rests on its code object's address alone.
    FramesNamedByAddress,
    /// A frame whose code object was freed before it could be read.
    FramesCodeFreed,
    /// A frame whose process had ended before it could be named.
    FramesProcessGone,
    /// A frame whose code object could not be read or made no sense.
    FramesUnreadable,
    /// A placeholder of the interpreter that was taken for a frame.
    FramesPlaceholder,
    /// A connection that was not followed, for there were too many.
    ConnectionsLeftOut,
    /// A wait on a socket whose network namespace could not be entered.
    SocketsNotLookedAt,
    /// A descriptor that was closed before anybody looked at it.
    DescriptorsClosedUnseen,
    /// A page fault at an address at which nothing was mapped when it was looked up.
    FaultAddressesUnmapped,
    /// The kernel, or a file that was replaced, kept us from an interpreter's probes.
    ProbesNotHeard,
    /// A sample that found no room for what it was executing.
    NativeLeavesFull,
    /// A sample in native code that has no name.
    NativeUnresolved,
    /// A file's symbols that were dropped to keep within memory.
    NativeFilesEvicted,
    /// A file whose symbols could not be read.
    NativeFilesUnreadable,
    /// A mapping of code that was not kept, for there were too many.
    NativeMappingsDropped,
    /// A sample whose native stack is not whole.
    NativeStacksTruncated,
    /// A wait for a lock whose lock was not looked for, for there were too many waits.
    LockWaitsNotLookedAt,
    /// A wait for a lock of which no lock object of Python was found.
    LockObjectsNotFound,
    /// A lock that changed hands as often as it was looked at.
    LockOwnersUnsettled,
    /// A lock object that is laid out unlike any known one.
    LockObjectsUnlike,
    /// A busy thread whose loops were not looked at, for there was no time left.
    LoopsNotLookedAt,
    /// A code object that a busy thread ran and whose instructions could not be read.
    LoopCodeUnreadable,
    /// A busy thread whose instructions' operands were not looked at: there were too many others.
    OperandsNotLookedAt,
}

impl Lost {
    /// Those that reports have even if they are zero.
    pub const ALWAYS: [Self; 3] = [
        Self::User(UserLoss::SamplesLost),
        Self::Kernel(Counter::StacksTruncated),
        Self::Kernel(Counter::StackInTransition),
    ];

    /// All there are.
    pub fn all() -> impl Iterator<Item = Self> {
        let kernel = Counter::ALL.into_iter().filter(|counter| counter.is_loss());
        let user = UserLoss::ALL.into_iter().map(Self::User);
        kernel.map(Self::Kernel).chain(user)
    }

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kernel(counter) => counter.name(),
            Self::User(loss) => loss.name(),
        }
    }

    /// What a report says of it in words.
    pub const fn phrase(self) -> Phrase {
        match self {
            Self::Kernel(counter) => counter.phrase(),
            Self::User(loss) => loss.phrase(),
        }
    }
}

impl From<Counter> for Lost {
    fn from(counter: Counter) -> Self {
        Self::Kernel(counter)
    }
}

impl From<UserLoss> for Lost {
    fn from(loss: UserLoss) -> Self {
        Self::User(loss)
    }
}

impl Ord for Lost {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name().cmp(other.name())
    }
}

impl PartialOrd for Lost {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Lost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Lost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::all()
            .find(|lost| lost.name() == name)
            .ok_or_else(|| D::Error::custom(format!("no counter of loss is called {name}")))
    }
}

impl UserLoss {
    /// All of them.
    pub const ALL: [Self; 30] = [
        Self::SamplesLost,
        Self::EventsUndecoded,
        Self::CodesOfUnknownProcesses,
        Self::StacksOfUnknownProcesses,
        Self::StacksMissing,
        Self::NamesEvicted,
        Self::FramesCodeReplaced,
        Self::FramesNamedByAddress,
        Self::FramesCodeFreed,
        Self::FramesProcessGone,
        Self::FramesUnreadable,
        Self::FramesPlaceholder,
        Self::ConnectionsLeftOut,
        Self::SocketsNotLookedAt,
        Self::DescriptorsClosedUnseen,
        Self::FaultAddressesUnmapped,
        Self::ProbesNotHeard,
        Self::NativeLeavesFull,
        Self::NativeUnresolved,
        Self::NativeFilesEvicted,
        Self::NativeFilesUnreadable,
        Self::NativeMappingsDropped,
        Self::NativeStacksTruncated,
        Self::LockWaitsNotLookedAt,
        Self::LockObjectsNotFound,
        Self::LockOwnersUnsettled,
        Self::LockObjectsUnlike,
        Self::LoopsNotLookedAt,
        Self::LoopCodeUnreadable,
        Self::OperandsNotLookedAt,
    ];

    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SamplesLost => "samples_lost",
            Self::EventsUndecoded => "events_undecoded",
            Self::CodesOfUnknownProcesses => "codes_of_unknown_processes",
            Self::StacksOfUnknownProcesses => "stacks_of_unknown_processes",
            Self::StacksMissing => "stacks_missing",
            Self::NamesEvicted => "names_evicted",
            Self::FramesCodeReplaced => "frames_code_replaced",
            Self::FramesNamedByAddress => "frames_named_by_address",
            Self::FramesCodeFreed => "frames_code_freed",
            Self::FramesProcessGone => "frames_process_gone",
            Self::FramesUnreadable => "frames_unreadable",
            Self::FramesPlaceholder => "frames_placeholder",
            Self::ConnectionsLeftOut => "connections_left_out",
            Self::SocketsNotLookedAt => "sockets_not_looked_at",
            Self::DescriptorsClosedUnseen => "descriptors_closed_unseen",
            Self::FaultAddressesUnmapped => "fault_addresses_unmapped",
            Self::ProbesNotHeard => "probes_not_heard",
            Self::NativeLeavesFull => "native_leaves_full",
            Self::NativeUnresolved => "native_unresolved",
            Self::NativeFilesEvicted => "native_files_evicted",
            Self::NativeFilesUnreadable => "native_files_unreadable",
            Self::NativeMappingsDropped => "native_mappings_dropped",
            Self::NativeStacksTruncated => "native_stacks_truncated",
            Self::LockWaitsNotLookedAt => "lock_waits_not_looked_at",
            Self::LockObjectsNotFound => "lock_objects_not_found",
            Self::LockOwnersUnsettled => "lock_owners_unsettled",
            Self::LockObjectsUnlike => "lock_objects_unlike",
            Self::LoopsNotLookedAt => "loops_not_looked_at",
            Self::LoopCodeUnreadable => "loop_code_unreadable",
            Self::OperandsNotLookedAt => "operands_not_looked_at",
        }
    }

    /// What a report says of it in words, after its number.
    pub const fn phrase(self) -> Phrase {
        match self {
            Self::SamplesLost => Phrase::of("sample", "samples", "lost"),
            Self::EventsUndecoded => {
                Phrase::of("record", "records", "of the kernel side not understood")
            }
            Self::CodesOfUnknownProcesses => Phrase::of(
                "code object",
                "code objects",
                "of processes that are not known",
            ),
            Self::StacksOfUnknownProcesses => {
                Phrase::of("stack", "stacks", "of processes that are not known")
            }
            Self::StacksMissing => {
                Phrase::of("entry", "entries", "whose stack was lost on the way")
            }
            Self::NamesEvicted => Phrase::of("name", "names", "dropped to keep within memory"),
            Self::FramesCodeReplaced => Phrase::of(
                "frame",
                "frames",
                "without a name, for another code object was at its address later",
            ),
            Self::FramesNamedByAddress => {
                Phrase::of("frame", "frames", "whose name rests on an address alone")
            }
            Self::FramesCodeFreed => Phrase::of(
                "frame",
                "frames",
                "whose code object was freed before it was read",
            ),
            Self::FramesProcessGone => {
                Phrase::of("frame", "frames", "whose process ended before it was read")
            }
            Self::FramesUnreadable => {
                Phrase::of("frame", "frames", "whose code object could not be read")
            }
            Self::FramesPlaceholder => Phrase::of(
                "frame",
                "frames",
                "of the interpreter itself, without a name",
            ),
            Self::ConnectionsLeftOut => {
                Phrase::of("connection", "connections", "left out for want of room")
            }
            Self::SocketsNotLookedAt => Phrase::of(
                "wait",
                "waits",
                "on sockets of a network namespace that could not be entered",
            ),
            Self::DescriptorsClosedUnseen => Phrase::of(
                "descriptor",
                "descriptors",
                "closed before anybody looked at it",
            ),
            Self::FaultAddressesUnmapped => Phrase::of(
                "page fault",
                "page faults",
                "at an address that was unmapped before anybody looked",
            ),
            Self::ProbesNotHeard => Phrase::of(
                "interpreter",
                "interpreters",
                "whose probes could not be listened at",
            ),
            Self::NativeLeavesFull => Phrase::of(
                "sample",
                "samples",
                "without what was being executed, for want of room",
            ),
            Self::NativeUnresolved => {
                Phrase::of("sample", "samples", "in native code without a name")
            }
            Self::NativeFilesEvicted => Phrase::of(
                "file's symbols",
                "files' symbols",
                "dropped to keep within memory",
            ),
            Self::NativeFilesUnreadable => Phrase::of(
                "file of native code",
                "files of native code",
                "whose symbols could not be read",
            ),
            Self::NativeMappingsDropped => Phrase::of(
                "mapping of native code",
                "mappings of native code",
                "left out for want of room",
            ),
            Self::NativeStacksTruncated => Phrase::of("native stack", "native stacks", "not whole"),
            Self::LockWaitsNotLookedAt => Phrase::of(
                "wait for a lock",
                "waits for locks",
                "too many to look for the lock's owner",
            ),
            Self::LockObjectsNotFound => Phrase::of(
                "wait for a lock",
                "waits for locks",
                "of which no lock object of Python was found",
            ),
            Self::LockOwnersUnsettled => Phrase::of(
                "wait for a lock",
                "waits for locks",
                "that changed whenever its owner was looked for",
            ),
            Self::LockObjectsUnlike => Phrase::of(
                "wait for a lock",
                "waits for locks",
                "whose object is laid out unlike any known one",
            ),
            Self::LoopsNotLookedAt => Phrase::of(
                "busy thread",
                "busy threads",
                "whose loops were not looked at for want of time",
            ),
            Self::LoopCodeUnreadable => Phrase::of(
                "code object",
                "code objects",
                "of busy threads with unreadable instructions",
            ),
            Self::OperandsNotLookedAt => Phrase::of(
                "busy thread",
                "busy threads",
                "whose operands were not looked at, beside many others",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_and_a_phrase_of_its_own() {
        let all: Vec<Lost> = Lost::all().collect();
        let names: BTreeSet<&str> = all.iter().map(|lost| lost.name()).collect();
        assert_eq!(names.len(), all.len());
        let mut said = BTreeSet::new();
        for lost in all {
            let Phrase { one, many, fate } = lost.phrase();
            for part in [one, many, fate] {
                // Words, not identifiers, that fit into a list.
                assert!(
                    !part.is_empty() && part == part.trim(),
                    "{lost:?}: {part:?}"
                );
                assert!(!part.contains(['_', '.', ';']), "{lost:?}: {part:?}");
            }
            assert_ne!(one, many, "{lost:?}");
            assert!(said.insert((many, fate)), "{lost:?} reads like another");
        }
    }

    #[test]
    fn names_are_keys_of_the_report() {
        let loss: Loss = Lost::all().zip(1..).collect();
        let text = serde_json::to_string(&loss).unwrap();
        assert_eq!(serde_json::from_str::<Loss>(&text).unwrap(), loss);
        assert!(serde_json::from_str::<Loss>(r#"{"nonsense": 1}"#).is_err());
    }
}

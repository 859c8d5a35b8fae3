//! A process' entry in the kernel's map: what the walk follows, and how careful it is.

use aya::maps::MapError;
use leakcpu_common::process::{PyProcess, process_flags};

use super::{Session, SessionError};
use crate::probes::ProbeError;

/// `BPF_EXIST`: an entry is changed, never made.
const EXIST: u64 = 2;

impl Session {
    /// Lets the kernel side walk the stacks of `pid`.
    pub(super) fn walk(&mut self, pid: u32, mut entry: PyProcess) -> Result<(), SessionError> {
        if let Some(watched) = self.watched.get_mut(&pid) {
            watched.copies_code = watched.is_young();
            if watched.copies_code {
                entry.flags |= process_flags::COPY_CODE;
            }
        }
        let mut maps = self.probes.maps()?;
        match maps.processes.insert(pid, entry, 0) {
            Ok(()) => Ok(()),
            Err(error) => Err(ProbeError::from(error).into()),
        }
    }

    /// Has the code objects of `pid` copied for as long as it is young.
    pub(super) fn copy_code_while_young(&mut self, pid: u32) -> Result<(), SessionError> {
        if let Some(watched) = self.watched.get_mut(&pid) {
            watched.copies_code = true;
        }
        self.change_entry(pid, |entry| entry.flags |= process_flags::COPY_CODE)
    }

    /// Ends the copying for processes that are not young any more.
    pub(super) fn end_copying(&mut self) -> Result<(), SessionError> {
        let grown: Vec<u32> = self
            .watched
            .iter()
            .filter(|(_, watched)| watched.copies_code && !watched.is_young())
            .map(|(pid, _)| *pid)
            .collect();
        for pid in grown {
            if let Some(watched) = self.watched.get_mut(&pid) {
                watched.copies_code = false;
            }
            self.change_entry(pid, |entry| entry.flags &= !process_flags::COPY_CODE)?;
        }
        Ok(())
    }

    /// Has the code objects of these slots told from others there from now on.
    pub(super) fn mark_changeable(
        &mut self,
        pid: u32,
        slots: &[usize],
    ) -> Result<(), SessionError> {
        if slots.is_empty() {
            return Ok(());
        }
        self.change_entry(pid, |entry| {
            for slot in slots {
                entry.changeable[*slot] = 1;
            }
        })
    }

    /// Reads, changes and writes an entry. A mark that the kernel side sets meanwhile is
    /// lost, and set again when it next meets that code object: without the mark the
    /// stack's hash is one that it does not know.
    fn change_entry(
        &mut self,
        pid: u32,
        change: impl FnOnce(&mut PyProcess),
    ) -> Result<(), SessionError> {
        let mut maps = self.probes.maps()?;
        let mut entry = match maps.processes.get(&pid, 0) {
            Ok(entry) => entry,
            // Ended, or not walked yet.
            Err(MapError::KeyNotFound) => return Ok(()),
            Err(error) => return Err(ProbeError::from(error).into()),
        };
        change(&mut entry);
        match maps.processes.insert(pid, entry, EXIST) {
            // Without an entry it has called exec meanwhile, or is gone.
            Ok(()) => Ok(()),
            Err(MapError::SyscallError(error)) if is_no_entry(&error) => Ok(()),
            Err(error) => Err(ProbeError::from(error).into()),
        }
    }
}

fn is_no_entry(error: &aya::sys::SyscallError) -> bool {
    error.io_error.kind() == std::io::ErrorKind::NotFound
}

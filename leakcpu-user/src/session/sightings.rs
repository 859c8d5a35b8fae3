//! One thing looked at several times, which may have been another thing each time.

use crate::{
    discovery::{Child, Descriptor},
    model,
};

/// Different sightings that are kept.
const KEPT: usize = 8;

/// What a number (a descriptor, a thread's child) was found to be, and how often.
#[derive(Debug)]
pub(super) struct Sightings<T>(Vec<(T, u32)>);

impl<T> Default for Sightings<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: PartialEq> Sightings<T> {
    /// It was `what` just now.
    pub(super) fn add(&mut self, what: T) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == what) {
            *count += 1;
        } else if self.0.len() < KEPT {
            self.0.push((what, 1));
        }
    }

    /// How often it was looked at.
    pub(super) fn total(&self) -> u32 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// What it was most often, the first of those.
    fn most(&self) -> Option<&T> {
        self.0
            .iter()
            .rev()
            .max_by_key(|(_, count)| *count)
            .map(|(what, _)| what)
    }
}

impl Sightings<Descriptor> {
    /// What it was most often; without the other end of a socket if that was not always
    /// the same.
    pub(super) fn what(&self) -> Option<Descriptor> {
        let mut most = self.most()?.clone();
        if let Descriptor::Socket(socket) = &mut most {
            let peers = self.0.iter().filter_map(|(what, _)| match what {
                Descriptor::Socket(other) => other.peer.as_ref(),
                _ => None,
            });
            let mut peers: Vec<&String> = peers.collect();
            peers.dedup();
            socket.peer = match peers.as_slice() {
                [peer] => Some((*peer).clone()),
                _ => None,
            };
        }
        Some(most)
    }
}

impl Sightings<Child> {
    /// What all sightings have in common.
    pub(super) fn what(&self) -> Option<model::Child> {
        let (first, _) = self.0.first()?;
        let all = |same: fn(&Child, &Child) -> bool| self.0.iter().all(|(c, _)| same(c, first));
        Some(model::Child {
            pid: all(|a, b| a.pid == b.pid).then_some(first.pid),
            name: all(|a, b| a.name == b.name).then(|| first.name.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Socket;

    fn socket(peer: Option<&str>) -> Descriptor {
        Descriptor::Socket(Socket {
            peer: peer.map(str::to_owned),
            ..Socket::default()
        })
    }

    #[test]
    fn a_number_that_was_used_again() {
        let mut seen = Sightings::<Descriptor>::default();
        assert_eq!(seen.what(), None);
        seen.add(socket(Some("a:1")));
        seen.add(socket(Some("a:1")));
        assert_eq!(seen.what(), Some(socket(Some("a:1"))));
        seen.add(socket(Some("b:1")));
        assert_eq!(seen.what(), Some(socket(None)));
        for _ in 0..3 {
            seen.add(Descriptor::Epoll);
        }
        assert_eq!(seen.what(), Some(Descriptor::Epoll));
    }

    #[test]
    fn one_program_as_several_children() {
        let mut seen = Sightings::<Child>::default();
        for pid in [7, 8] {
            seen.add(Child {
                pid,
                name: "sort".into(),
            });
        }
        let what = seen.what().unwrap();
        assert_eq!((what.pid, what.name.as_deref()), (None, Some("sort")));
    }
}

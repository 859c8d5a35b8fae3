//! Waiting for work or for an answer: what looks at the sockets of a wait say of all such
//! waits.

use crate::model::{Awaits, Reason, StackTime, StackTimeKind};

/// Other ends that are kept.
const PEERS: usize = 8;

/// What looks at one kind of wait found.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited {
    work: u64,
    answer: u64,
    /// Whose answer, and how often.
    peers: Vec<(String, u64)>,
}

impl Awaited {
    /// Work was waited for.
    pub(super) const fn add_work(&mut self) {
        self.work += 1;
    }

    /// The answer of `peer` was.
    pub(super) fn add_answer(&mut self, peer: &str) {
        self.answer += 1;
        if let Some((_, count)) = self.peers.iter_mut().find(|(known, _)| known == peer) {
            *count += 1;
        } else if self.peers.len() < PEERS {
            self.peers.push((peer.to_owned(), 1));
        }
    }

    /// Adds what was found of another kind of wait.
    pub(super) fn merge(&mut self, other: &Self) {
        self.work += other.work;
        self.answer += other.answer;
        for (peer, count) in &other.peers {
            match self.peers.iter_mut().find(|(known, _)| known == peer) {
                Some((_, known)) => *known += count,
                None => self.peers.push((peer.clone(), *count)),
            }
        }
    }

    /// What most looks found; `None` without any.
    pub(super) fn mostly(&self) -> Option<Awaits> {
        match (self.work, self.answer) {
            (0, 0) => None,
            (work, answer) if answer >= work => Some(Awaits::Answer),
            _ => Some(Awaits::Work),
        }
    }

    /// Whose answer was waited for most often.
    pub(super) fn peer(&self) -> Option<&str> {
        let most = self.peers.iter().max_by_key(|(_, count)| *count);
        most.map(|(peer, _)| peer.as_str())
    }

    /// Splits the waits of one stack by what they waited for, their time in proportion to
    /// the looks.
    pub(super) fn split(&self, all: StackTime) -> Vec<StackTime> {
        if self.work + self.answer == 0 {
            return vec![all];
        }
        let looks = [self.work, self.answer];
        [Awaits::Work, Awaits::Answer]
            .into_iter()
            .zip(all.parted(&looks))
            .zip(looks)
            .filter(|(_, looks)| *looks > 0)
            .map(|((awaits, part), _)| StackTime {
                kind: self.kind(part.kind.clone(), awaits),
                awaits: Some(awaits),
                ..part
            })
            .collect()
    }

    /// An answer is waited for with the reason of a receive, however.
    fn kind(&self, mut kind: StackTimeKind, awaits: Awaits) -> StackTimeKind {
        if let StackTimeKind::Blocked { reason, peer, .. } = &mut kind
            && awaits == Awaits::Answer
        {
            if *reason == Reason::PollWait {
                *reason = Reason::NetRecv;
                *peer = self.peer().map(str::to_owned);
            } else if peer.is_none() {
                *peer = self.peer().map(str::to_owned);
            }
        }
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackId;

    #[test]
    fn time_is_split_by_the_looks() {
        let mut awaited = Awaited::default();
        let all = StackTime {
            stack: StackId(1),
            kind: StackTimeKind::Blocked {
                reason: Reason::PollWait,
                syscall: Some("epoll_wait".into()),
                peer: None,
                file: None,
                child: None,
            },
            count: 8,
            blocked_ns: 1_000,
            runnable_ns: 10,
            max_blocked_ns: 700,
            stack_estimated_ns: 0,
            reason_estimated_ns: 0,
            in_long_gap: false,
            awaits: None,
            leaves: Vec::new(),
        };
        assert_eq!(awaited.split(all.clone()), std::slice::from_ref(&all));
        awaited.add_work();
        for _ in 0..3 {
            awaited.add_answer("10.0.0.5:5432");
        }
        let parts = awaited.split(all);
        let times: Vec<u64> = parts.iter().map(|part| part.blocked_ns).collect();
        assert_eq!(times, [250, 750]);
        assert_eq!(parts[0].kind.reason(), Some(Reason::PollWait));
        assert_eq!(parts[1].kind.reason(), Some(Reason::NetRecv));
        assert_eq!(parts[1].count, 6);
        assert_eq!(parts[0].max_blocked_ns, 250);
    }
}

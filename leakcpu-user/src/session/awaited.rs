//! Waiting for work or for an answer: what looks at the sockets of a wait say of all such
//! waits.

use crate::model::{AnswersOwed, Awaits, Reason, StackTime, StackTimeKind};

/// Other ends that are kept.
const PEERS: usize = 8;

/// A connection whose other end is silent: where it sends again, more bytes were received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Silence {
    /// Number of the socket.
    pub inode: u64,
    /// Bytes received on it, ever.
    pub bytes_received: u64,
}

/// What looks at one kind of wait found.
#[derive(Clone, Debug, Default)]
pub(super) struct Awaited {
    /// Looks that found that work was waited for.
    work: u64,
    /// Whose answer was, and in how many looks.
    answers: Vec<(String, u64)>,
    /// Answers of others than those kept.
    of_others: u64,
    /// Looks among `answers` at a connection that were of work if that is silent for long, and
    /// whose answer they are taken for meanwhile.
    undecided: Option<(Silence, String, u64)>,
    /// Of an event loop's waits: how many answers at a time.
    owed: AnswersOwed,
}

impl Awaited {
    /// Work was waited for.
    pub(super) const fn add_work(&mut self) {
        self.work += 1;
    }

    /// The answer of `peer` was.
    pub(super) fn add_answer(&mut self, peer: &str) {
        self.add_answers(peer, 1);
    }

    /// What an event loop waited for: the answer of `peer`, of so many connections that are owed
    /// one, or else for work.
    pub(super) fn add_look_at_loop(&mut self, answers: Option<(usize, &str)>, serves: bool) {
        self.owed.serves |= serves;
        let Some((connections, peer)) = answers else {
            return self.add_work();
        };
        self.add_answer(peer);
        self.owed.looks += 1;
        self.owed.of_several += u64::from(connections > 1);
    }

    /// The answer of `peer` was, unless `silence` lasts.
    pub(super) fn add_answer_unless(&mut self, silence: Silence, peer: &str) {
        self.add_answer(peer);
        let looks = match &self.undecided {
            Some((known, _, looks)) if *known == silence => *looks,
            _ => 0,
        };
        self.undecided = Some((silence, peer.to_owned(), looks + 1));
    }

    /// Work was waited for, since `silence` has lasted: so it was in the looks at it before.
    pub(super) fn add_rest(&mut self, silence: Silence) {
        self.add_work();
        let Some((_, peer, looks)) = self.undecided.take_if(|(known, ..)| *known == silence) else {
            return;
        };
        let known = self.answers.iter_mut().find(|(known, _)| *known == peer);
        let count = known.map_or(&mut self.of_others, |(_, count)| count);
        let moved = looks.min(*count);
        *count -= moved;
        self.work += moved;
        self.answers.retain(|(_, count)| *count > 0);
    }

    fn add_answers(&mut self, peer: &str, looks: u64) {
        if let Some((_, count)) = self.answers.iter_mut().find(|(known, _)| known == peer) {
            *count += looks;
        } else if self.answers.len() < PEERS {
            self.answers.push((peer.to_owned(), looks));
        } else {
            self.of_others += looks;
        }
    }

    /// Adds what was found of another kind of wait.
    pub(super) fn merge(&mut self, other: &Self) {
        self.work += other.work;
        self.of_others += other.of_others;
        for (peer, looks) in &other.answers {
            self.add_answers(peer, *looks);
        }
    }

    /// How many answers an event loop waited for at a time.
    pub(super) const fn owed(&self) -> AnswersOwed {
        self.owed
    }

    /// What most looks found; `None` without any.
    pub(super) fn mostly(&self) -> Option<Awaits> {
        let answer: u64 = self.answers.iter().map(|(_, looks)| looks).sum();
        match (self.work, answer + self.of_others) {
            (0, 0) => None,
            (work, answer) if answer >= work => Some(Awaits::Answer),
            _ => Some(Awaits::Work),
        }
    }

    /// Whose answers were waited for, and in how many looks; without those of whom nothing
    /// was kept.
    pub(super) fn answers(&self) -> &[(String, u64)] {
        &self.answers
    }

    /// Splits the waits of one stack by what and whom they waited for, their time in
    /// proportion to the looks.
    pub(super) fn split(&self, all: StackTime) -> Vec<StackTime> {
        let answers = self.answers.iter();
        let found: Vec<(Awaits, Option<&str>, u64)> = [(Awaits::Work, None, self.work)]
            .into_iter()
            .chain(answers.map(|(peer, looks)| (Awaits::Answer, Some(peer.as_str()), *looks)))
            .chain([(Awaits::Answer, None, self.of_others)])
            .filter(|(_, _, looks)| *looks > 0)
            .collect();
        if found.is_empty() {
            return vec![all];
        }
        let looks: Vec<u64> = found.iter().map(|(_, _, looks)| *looks).collect();
        let mut parts = all.parted(&looks);
        for (part, (awaits, whose, _)) in parts.iter_mut().zip(found) {
            part.awaits = Some(awaits);
            if awaits == Awaits::Answer {
                answer(&mut part.kind, whose);
            }
        }
        parts
    }
}

/// An answer is waited for with the reason of a receive, however.
fn answer(kind: &mut StackTimeKind, whose: Option<&str>) {
    if let StackTimeKind::Blocked { reason, peer, .. } = kind {
        if *reason == Reason::PollWait {
            *reason = Reason::NetRecv;
            *peer = None;
        }
        if let Some(whose) = whose {
            *peer = Some(whose.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StackId;

    #[test]
    fn a_silence_that_lasts_was_one_from_its_beginning() {
        let silence = |bytes_received| Silence {
            inode: 7,
            bytes_received,
        };
        let mut awaited = Awaited::default();
        awaited.add_answer("10.0.0.5:5432");
        for bytes in [90, 100, 100] {
            awaited.add_answer_unless(silence(bytes), "10.0.0.5:5432");
        }
        awaited.add_rest(silence(100));
        awaited.add_rest(silence(100));
        assert_eq!(awaited.work, 4);
        assert_eq!(awaited.answers(), [("10.0.0.5:5432".to_owned(), 2)]);
        awaited.add_rest(silence(90));
        assert_eq!(awaited.work, 5, "that one had been broken");
    }

    #[test]
    fn time_is_split_by_what_and_whom_the_looks_found() {
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
        for _ in 0..2 {
            awaited.add_answer("10.0.0.5:5432");
        }
        awaited.add_answer("10.0.0.6:5432");
        let parts = awaited.split(all);
        let times: Vec<u64> = parts.iter().map(|part| part.blocked_ns).collect();
        assert_eq!(times, [250, 500, 250]);
        assert_eq!(parts[0].kind.reason(), Some(Reason::PollWait));
        assert_eq!(parts[1].kind.reason(), Some(Reason::NetRecv));
        assert_eq!(parts[1].count, 4);
        assert_eq!(parts[0].max_blocked_ns, 250);
        let peers = parts.iter().map(|part| match &part.kind {
            StackTimeKind::Blocked { peer, .. } => peer.as_deref(),
            _ => None,
        });
        let peers: Vec<Option<&str>> = peers.collect();
        assert_eq!(peers, [None, Some("10.0.0.5:5432"), Some("10.0.0.6:5432")]);
    }
}

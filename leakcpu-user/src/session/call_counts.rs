//! How many calls several looks found, and how many of them were given the same.

use std::collections::HashMap;

use crate::{
    interpreter::{ArgumentValue, SeenCall},
    model::{CallsSeen, Parameter},
};

/// Of so many arguments it is kept how many calls had them.
const MAX_MOST: usize = 5;
/// So many calls say what there is to say.
const ENOUGH_CALLS: u32 = 20;

/// Counts of one function's calls.
#[derive(Debug, Default)]
pub(super) struct CallCounts {
    looks: u32,
    /// Of the calls that the last look found.
    last: Vec<u64>,
    by_others: HashMap<Box<[ArgumentValue]>, u32>,
    all: HashMap<Box<[ArgumentValue]>, u32>,
    /// Of each argument, unless that differed.
    types: Vec<Option<&'static str>>,
    /// Some call was given something that is not known.
    is_unknown: bool,
}

impl CallCounts {
    /// Takes in what one look found, the outermost call first. One that the last look found too
    /// may go on, and does not count again.
    pub(super) fn add(&mut self, calls: &[SeenCall]) {
        self.looks += 1;
        for (depth, call) in calls.iter().enumerate() {
            if self.last.contains(&call.key) {
                continue;
            }
            let Some(arguments) = &call.arguments else {
                self.is_unknown = true;
                return;
            };
            self.note_types(arguments);
            *self.all.entry(arguments.clone()).or_default() += 1;
            if depth == 0 {
                *self.by_others.entry(arguments.clone()).or_default() += 1;
            }
        }
        self.last.clear();
        self.last.extend(calls.iter().map(|call| call.key));
    }

    fn note_types(&mut self, arguments: &[ArgumentValue]) {
        let of = arguments.iter().map(|value| Some(value.type_name()));
        if self.all.is_empty() {
            self.types = of.collect();
            return;
        }
        for (known, of) in self.types.iter_mut().zip(of) {
            if *known != of {
                *known = None;
            }
        }
    }

    /// Whether nothing more is to be learned.
    pub(super) const fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// Whether more looks would say more: some were found, and few.
    pub(super) fn is_undecided(&self) -> bool {
        let calls: u32 = self.by_others.values().sum();
        !self.is_unknown && (1..ENOUGH_CALLS).contains(&calls)
    }

    /// Looks that found any, unless one found what is not known.
    pub(super) fn looks(&self) -> Option<u32> {
        (self.looks > 0 && !self.is_unknown).then_some(self.looks)
    }

    pub(super) fn by_others(&self) -> CallsSeen {
        sums(&self.by_others)
    }

    pub(super) fn all(&self) -> CallsSeen {
        sums(&self.all)
    }

    /// The arguments, by their names.
    pub(super) fn parameters(&self, names: Vec<String>) -> Vec<Parameter> {
        let types = self.types.iter().map(|of| of.map(str::to_owned));
        names
            .into_iter()
            .zip(types)
            .map(|(name, type_name)| Parameter { name, type_name })
            .collect()
    }
}

fn sums(counts: &HashMap<Box<[ArgumentValue]>, u32>) -> CallsSeen {
    let mut most: Vec<u32> = counts.values().copied().collect();
    most.sort_by_key(|count| std::cmp::Reverse(*count));
    let seen = CallsSeen {
        calls: most.iter().sum(),
        distinct: u32::try_from(most.len()).unwrap_or(u32::MAX),
        most: Vec::new(),
    };
    most.truncate(MAX_MOST);
    CallsSeen { most, ..seen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(key: u64, argument: i64) -> SeenCall {
        SeenCall {
            key,
            arguments: Some([ArgumentValue::Int(argument)].into()),
        }
    }

    #[test]
    fn a_call_that_goes_on_counts_once() {
        let mut counts = CallCounts::default();
        for _ in 0..5 {
            counts.add(&[call(1, 8)]);
        }
        counts.add(&[call(2, 8)]);
        counts.add(&[call(1, 8)]);
        assert_eq!(counts.looks(), Some(7));
        assert!(counts.is_undecided());
        let found = counts.by_others();
        assert_eq!((found.calls, found.distinct, found.again()), (3, 1, 2));
        assert_eq!(found, counts.all());
    }

    #[test]
    fn calls_by_itself_are_told_from_those_by_others() {
        let mut counts = CallCounts::default();
        counts.add(&[call(1, 8), call(2, 7), call(3, 6)]);
        counts.add(&[call(1, 8), call(4, 6)]);
        assert_eq!(counts.by_others().calls, 1);
        let all = counts.all();
        assert_eq!((all.calls, all.distinct), (4, 3));
        assert_eq!(all.most, [2, 1, 1]);
        let parameters = counts.parameters(vec!["n".to_owned()]);
        assert_eq!(parameters[0].type_name.as_deref(), Some("int"));
    }

    #[test]
    fn types_that_differ_are_none() {
        let mut counts = CallCounts::default();
        counts.add(&[call(1, 8)]);
        counts.add(&[SeenCall {
            key: 2,
            arguments: Some([ArgumentValue::None].into()),
        }]);
        counts.add(&[call(3, 8)]);
        assert_eq!(counts.parameters(vec!["n".to_owned()])[0].type_name, None);
    }

    #[test]
    fn what_is_not_known_ends_it() {
        let mut counts = CallCounts::default();
        counts.add(&[call(1, 8)]);
        counts.add(&[SeenCall {
            key: 2,
            arguments: None,
        }]);
        assert!(counts.is_unknown() && !counts.is_undecided());
        assert_eq!(counts.looks(), None);
    }
}

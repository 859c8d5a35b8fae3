//! Calls, and the way into a `with`.

use super::Step;
use crate::bytecode::{
    CallKind, EffectKind, MissingKind, NamedCall, Op, RunsCodeKind,
    action::Keywords,
    calls::{Arguments, Known, is_lock, known},
    code::Constant,
    dataflow::On,
    path::{Path, last},
    value::{Kind, Literal, Value, union},
};

impl Step<'_> {
    pub(super) fn call(&mut self, args: u32, keywords: Keywords, has_receiver: bool) {
        let noted = self.state.keywords.take();
        let names = match keywords {
            Keywords::None => None,
            Keywords::Noted => noted,
            Keywords::OnStack => {
                let Some(Literal::Names(index)) = self.pop().literal() else {
                    // Which arguments have names is not known, so they are none that is.
                    self.take(args.saturating_add(1).saturating_add(has_receiver.into()));
                    self.missing(MissingKind::Callee, "");
                    self.push(Kind::Unknown, 0);
                    return;
                };
                Some(index)
            }
        };
        let values = self.take(args);
        let callees = self.take(1 + u32::from(has_receiver));
        let from = union(&values) | union(&callees);
        // The first of the two, unless that is the free slot before a function (3.11, 3.12).
        let callee = callees.iter().find(|value| value.kind != Kind::Receiver);
        let path = callee.and_then(Value::path);
        let (Some(path), true) = (path, values.len() == args as usize) else {
            self.missing(MissingKind::Callee, path.map_or("", |path| path.as_str()));
            self.push(Kind::Unknown, from);
            return;
        };
        let path = path.as_str();
        let names = match names.and_then(|index| self.machine.code.constants.get(index as usize)) {
            Some(Constant::Names(names)) => names.as_slice(),
            _ => &[],
        };
        let (positional, by_name) = values.split_at(values.len().saturating_sub(names.len()));
        let arguments = Arguments {
            positional,
            named: names.iter().map(String::as_str).zip(by_name).collect(),
        };
        let kind = match known(path, &arguments) {
            Known::Harmless(kind) => {
                self.named_call(kind, path);
                match kind {
                    CallKind::Clock | CallKind::Predicate => predicate_result(path),
                    CallKind::Sleep => Kind::Nap,
                    CallKind::Attempt | CallKind::Lock => Kind::Unknown,
                }
            }
            Known::UnlessRaises => {
                self.named_call(CallKind::Attempt, path);
                let effect = self.effect(EffectKind::Call, path);
                self.facts.edge_effects.push((On::Plain, effect));
                Kind::Unknown
            }
            Known::IfTrue => self.attempt(path, false),
            Known::IfFalse => self.attempt(path, true),
            Known::Effect => {
                let effect = self.effect(EffectKind::Call, path);
                self.facts.effects.push(effect);
                Kind::Unknown
            }
            Known::Nothing => {
                self.missing(MissingKind::Callee, path);
                Kind::Unknown
            }
        };
        self.push(kind, from);
    }

    /// With arguments in a tuple and a dict, so that they are not known.
    pub(super) fn call_spread(&mut self, takes: u32) {
        let values = self.take(takes);
        let callee = values.iter().find(|value| value.kind != Kind::Receiver);
        let path = callee.and_then(Value::path).map_or("", Path::as_str);
        // `self._lock.__exit__(*args)`, as `threading.Condition` has it.
        match path.rsplit_once('.') {
            Some((of, "__exit__")) if is_lock(of) => self.named_call(CallKind::Lock, path),
            _ => self.missing(MissingKind::Callee, path),
        }
        self.push(Kind::Unknown, union(&values));
    }

    /// A call whose result says whether it had an effect, or by `is_negated` that it had none.
    fn attempt(&mut self, path: &str, is_negated: bool) -> Kind {
        self.named_call(CallKind::Attempt, path);
        let call = self.instruction.offset;
        self.facts.attempts.push((call, path.to_owned()));
        Kind::Attempt { call, is_negated }
    }

    pub(super) fn enter(&mut self, gives: u32) {
        let manager = self.take(1).pop().unwrap_or(Value::UNKNOWN);
        let path = manager.path();
        let name = path.map_or_else(String::new, |path| path.as_str().to_owned());
        if self.instruction.op == Op::BeforeAsyncWith || !is_lock(&name) {
            self.missing(MissingKind::Context, &name);
        } else {
            self.named_call(CallKind::Lock, &name);
        }
        self.runs(RunsCodeKind::Context);
        let exit = Path::attribute(path, "__exit__");
        self.push(exit.map_or(Kind::Unknown, Kind::Named), manager.from);
        for _ in 1..gives {
            self.push(Kind::Unknown, 0);
        }
    }

    pub(super) fn named_call(&mut self, kind: CallKind, name: &str) {
        self.facts.calls.push(NamedCall {
            kind,
            name: name.to_owned(),
            offset: self.instruction.offset,
        });
    }
}

/// What a clock or a predicate gives.
fn predicate_result(path: &str) -> Kind {
    let objects = [
        "getattr",
        "type",
        "get",
        "now",
        "utcnow",
        "current_thread",
        "poll",
        "stat",
        "lstat",
        "unpack",
        "unpack_from",
    ];
    if objects.contains(&last(path)) {
        Kind::Unknown
    } else {
        Kind::Number
    }
}

//! Calls of a function are found with what they were given, and told from each other.

mod support;

use std::time::{Duration, Instant};

use pyobserve::interpreter::{
    ArgumentValue, CallReader, Callee, PythonProcess, SeenCall, read_signature, threads,
};
use support::{Running, interpreter};

/// The calls, once there are three that differ from those before.
fn next(
    reader: &mut CallReader,
    process: &PythonProcess,
    callee: &Callee,
    last: &[SeenCall],
) -> Vec<SeenCall> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let tstate = threads(process).expect("it lives")[0].tstate;
        if let Ok(Some(calls)) = reader.look(process, tstate, callee)
            && calls.len() == 3
            && calls[0].key != last.first().map_or(0, |call| call.key)
        {
            return calls;
        }
        assert!(Instant::now() < deadline, "no other calls were seen");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn calls_are_seen_with_their_arguments() {
    for python in interpreter::all() {
        let mut running = Running::script(python, "calls.py", &[]);
        let code = running.json()["code"].as_u64().expect("an address");
        let (_, process) = support::attach(running.pid());
        let signature = read_signature(&process, code).expect("it lives");
        assert_eq!(signature.arguments, 7, "{python}");
        let callee = Callee {
            code,
            arguments: signature.arguments,
        };
        let mut reader = CallReader::default();
        let first = next(&mut reader, &process, &callee, &[]);
        assert_eq!(next(&mut reader, &process, &callee, &[]), first, "{python}");
        let text = |text: &str| ArgumentValue::Text(text.into());
        let given = |depth: i64, zone: &str| {
            let inner = [text("a"), ArgumentValue::Int(1 << 40)].into();
            Some(Box::from([
                ArgumentValue::Int(depth),
                text(zone),
                ArgumentValue::Bytes(b"raw".as_slice().into()),
                ArgumentValue::Tuple([ArgumentValue::Int(-7), ArgumentValue::Tuple(inner)].into()),
                ArgumentValue::Float(0.5_f64.to_bits()),
                ArgumentValue::None,
                ArgumentValue::Bool(true),
            ]))
        };
        for (depth, call) in (0..3).rev().zip(&first) {
            assert_eq!(call.arguments, given(depth, "zone-0"), "{python}");
        }
        running.say("");
        let second = next(&mut reader, &process, &callee, &first);
        running.say("");
        let third = next(&mut reader, &process, &callee, &second);
        for (call, other) in second.iter().zip(&third) {
            assert_eq!(call.arguments, other.arguments, "{python}");
            assert_ne!(call.key, other.key, "{python}");
        }
        assert_eq!(second[0].arguments, given(2, "zone-1"), "{python}");
        running.say("");
        // A class of the program's own, whatever it is made from.
        let fourth = next(&mut reader, &process, &callee, &third);
        assert_eq!(fourth[0].arguments, None, "{python}");
    }
}

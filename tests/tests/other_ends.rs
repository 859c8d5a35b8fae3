//! A socket without a fixed other end has none in the report, whomever it talks to; where one
//! connection follows the other under a number, each has its part of the waits.

use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    report::{is_called, list, ns},
    workload::Workload,
};
use serde_json::Value;

#[test]
fn each_wait_names_whom_it_waited_for_or_nobody() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "other_ends.py", &[]);
    let report = observe::classify(workload.pid, "1500ms", &[]);
    let process = report.process(workload.pid);
    let (begin, end) = report.window();
    let none = [Value::Null];
    let each = list(&workload.ready, "streams");
    for (name, peers) in [
        ("ask_several", none.as_slice()),
        ("ask_in_turn", none.as_slice()),
        ("ask_anew", each),
        ("ask_one", std::slice::from_ref(&workload.ready["one"])),
    ] {
        problems.about(name);
        let waits = list(process, "waits").iter().filter(|wait| {
            let function = wait["function"].as_str();
            wait["reason"] == "net-recv" && function.is_some_and(|f| is_called(f, name))
        });
        let waits: Vec<&Value> = waits.collect();
        for wait in &waits {
            let is_known = peers.contains(&wait["peer"]);
            problems.check(is_known, format!("the other end is {}", wait["peer"]));
        }
        for peer in peers {
            let of_peer = waits.iter().filter(|wait| wait["peer"] == *peer);
            let waited_ns: i64 = of_peer.map(|wait| ns(wait, "total_ns")).sum();
            let several = i64::try_from(peers.len()).expect("there are a few");
            let part = (end - begin) / several;
            problems.between(
                format!("waited for {peer}"),
                waited_ns,
                part / 2,
                part * 3 / 2,
            );
        }
    }
    problems.finish();
}

//! A socket without a fixed other end has none in the report, whomever it talks to, and neither
//! has a number under which one connection follows the other.

use leakcpu_tests::{
    interpreter, observe,
    problems::Problems,
    report::{is_called, list, ns},
    workload::Workload,
};
use serde_json::Value;

#[test]
fn who_talks_to_several_names_none_of_them() {
    let mut problems = Problems::new();
    let workload = Workload::start::<&str>(interpreter::newest(), "other_ends.py", &[]);
    let report = observe::classify(workload.pid, "1500ms", &[]);
    let process = report.process(workload.pid);
    let (begin, end) = report.window();
    for (name, peer) in [
        ("ask_several", &Value::Null),
        ("ask_in_turn", &Value::Null),
        ("ask_anew", &Value::Null),
        ("ask_one", &workload.ready["one"]),
    ] {
        problems.about(name);
        let mut waited_ns = 0;
        for wait in list(process, "waits") {
            let function = wait["function"].as_str();
            if wait["reason"] == "net-recv" && function.is_some_and(|f| is_called(f, name)) {
                problems.equal("the other end", &wait["peer"], peer);
                waited_ns += ns(wait, "total_ns");
            }
        }
        problems.between("waited", waited_ns, (end - begin) / 2, end - begin);
    }
    problems.finish();
}

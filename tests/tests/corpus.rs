//! A part of the corpus in every run of the tests: programs whose verdicts leave no room
//! for doubt, by the same labels and the same comparison as `cargo xtask corpus`.

use std::time::Duration;

use leakcpu_tests::{
    corpus::{
        labels,
        noise::{Noise, Surroundings},
        program::Servers,
        row::Comparison,
        run::{Plan, Why},
        truth::Starvation,
    },
    interpreter,
    problems::Problems,
};

/// Of each class that the standard library suffices for, and of pairs both.
const PROGRAMS: [&str; 12] = [
    "image_blur",
    "event_dispatcher",
    "render_supervisor",
    "build_runner",
    "import_plugins",
    "async_subprocess",
    "stock_sync",
    "sensor_tail",
    "cross_process_lock",
    "parallel_scoring",
    "worker_pool",
    "throttled_report",
];

/// Long enough for a verdict on them.
const WATCH: Duration = Duration::from_millis(1200);

/// Other programs of the machine may take the CPUs for one look.
const TRIES: usize = 2;

/// Of the time of its threads, what may be accounted for differently: the report covers a
/// part of what the program measured, and threads that fight for the GIL or for a CPU do not
/// share it evenly from second to second (0.11 was seen). `cargo xtask corpus` prints how much
/// it is.
const TIME_ERROR: f64 = 0.2;

#[test]
fn plain_programs_get_the_verdicts_of_their_labels() {
    let all = labels::read().expect("labels.toml is right");
    let plan = Plan {
        python: interpreter::newest().clone(),
        watch: WATCH,
        surroundings: Surroundings::make(Noise::Quiet).expect("it takes nothing"),
        starvation: Starvation::Excused,
        py_spy: None,
        sooner: false,
    };
    let mut servers = Servers::default();
    let mut problems = Problems::new();
    for name in PROGRAMS {
        problems.about(name);
        let label = all.iter().find(|label| label.name == name);
        let label = label.unwrap_or_else(|| panic!("{name} has no label"));
        let judged = (0..TRIES).find_map(|_| match plan.judged(label, &mut servers) {
            Err(Why::NotValid(why)) => {
                eprintln!("{name} was not what its label says: {why}");
                None
            }
            judged => Some(judged),
        });
        match judged {
            // Not a word on pyobserve, then.
            None => eprintln!("SKIPPED: {name}"),
            Some(Ok(it)) => check(&it, &mut problems),
            Some(Err(why)) => problems.add(format!("{why:?}")),
        }
    }
    problems.finish();
}

fn check(it: &Comparison, problems: &mut Problems) {
    let said = &it.said;
    problems.check(
        it.class_holds,
        format!("{:?}, not {:?}: {}", said.verdict, it.right, said.because),
    );
    problems.check(
        it.detail_holds != Some(false),
        format!("{:?}, not {:?}", said.verdict.detail, it.right.detail),
    );
    problems.check(
        it.function_holds != Some(false) && it.line_holds != Some(false),
        format!(
            "{:?}, line {:?} is to blame",
            said.verdict.function, said.line
        ),
    );
    problems.check(
        it.time_error <= TIME_ERROR,
        format!("its times are off by {:.3}", it.time_error),
    );
}

//! A word on the terminal while the run goes on.

use std::{io::IsTerminal as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A progress line on stderr, there only if a person sees it.
pub struct Progress {
    bar: ProgressBar,
    duration: Option<Duration>,
}

impl Progress {
    /// Shows a line for `processes` watched for `duration`.
    pub fn new(processes: usize, duration: Option<Duration>, quiet: bool) -> Self {
        let shown = !quiet && std::io::stderr().is_terminal();
        let bar = if shown {
            let millis = duration.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            let bar = millis.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = if duration.is_some() {
                "{msg} {bar:24} {elapsed} of {prefix} (Ctrl-C ends early and reports)"
            } else {
                "{spinner} {msg} {elapsed} (Ctrl-C ends early and reports)"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(duration.map(|d| format!("{d:?}")).unwrap_or_default());
            bar.set_message(match processes {
                1 => "watching 1 Python process".to_owned(),
                n => format!("watching {n} Python processes"),
            });
            bar
        } else {
            ProgressBar::hidden()
        };
        Self { bar, duration }
    }

    /// Moves on.
    pub fn tick(&self, elapsed: Duration) {
        if self.duration.is_some() {
            self.bar
                .set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        } else {
            self.bar.tick();
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

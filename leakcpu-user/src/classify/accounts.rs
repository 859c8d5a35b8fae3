//! Whether our times agree with the scheduler's own.

use super::say::{duration, percent};
use super::{Because, Spin, Thresholds};
use crate::model::{Accounts, Thread};

/// Name of the figure in the reason that is given where they do not.
pub const RESIDUAL: &str = "residual_share";

/// The accounts of `threads`, if they differ by more than they may.
pub(super) fn beyond(
    threads: &[(&Thread, Option<&Spin>)],
    limits: &Thresholds,
) -> Option<Accounts> {
    let mut sum = Accounts::default();
    for accounts in threads.iter().filter_map(|(thread, _)| thread.accounts) {
        sum.add(&accounts);
    }
    is_beyond(&sum, limits).then_some(sum)
}

fn is_beyond(accounts: &Accounts, limits: &Thresholds) -> bool {
    let tolerated_ns = limits.max_residual_ns.saturating_mul(accounts.threads);
    accounts.residual_share() > limits.max_residual_share && accounts.residual_ns > tolerated_ns
}

/// Why the confidence is lower.
pub(super) fn reason(accounts: &Accounts) -> Because {
    Because {
        text: format!(
            "the scheduler's own accounts differ by {} ({} of {}): its times are less sure",
            percent(accounts.residual_share()),
            duration(accounts.residual_ns),
            duration(accounts.span_ns)
        ),
        name: RESIDUAL,
        value: accounts.residual_share(),
        unit: "ratio",
    }
}

#[cfg(test)]
mod tests {
    use super::is_beyond;
    use crate::classify::Thresholds;
    use crate::model::Accounts;

    #[test]
    fn two_percent_and_a_tick_are_tolerated() {
        let differs = |span_ns, residual_ns| {
            let accounts = Accounts {
                threads: 1,
                span_ns,
                residual_ns,
                ..Accounts::default()
            };
            is_beyond(&accounts, &Thresholds::default())
        };
        assert!(!differs(10_000_000_000, 190_000_000));
        assert!(differs(10_000_000_000, 210_000_000));
        // 5 % of a short window is less than a tick.
        assert!(!differs(200_000_000, 10_000_000));
        assert!(!differs(0, 0));
    }
}

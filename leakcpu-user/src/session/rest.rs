//! Connections of clients over which nothing is owed: a wait there is one for what comes
//! unasked, as the notifications of a database.

use crate::discovery::Traffic;

/// Whoever has sent nothing for that long does not pause within an answer, as a rule.
const SILENT_MS: u32 = 1_000;
/// Ports of HTTP, over which nothing comes unasked: what is awaited there is the rest of an
/// answer, however long that takes.
const ONLY_ASKED: [u16; 4] = [80, 443, 8_080, 8_443];

/// Whether a connection is at rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Something is owed, or may be.
    No,
    /// It is, if the other end stays silent.
    IfItLasts,
    Yes,
}

/// Whether what was asked over a connection to `port` is answered, and nothing was asked
/// since `before`, when the window began.
pub(super) fn rest(port: u16, before: &Traffic, now: &Traffic) -> Rest {
    let is_answered =
        before.bytes_sent == now.bytes_sent && !ONLY_ASKED.contains(&port) && is_answered(now);
    match is_answered {
        false => Rest::No,
        true if now.received_ms_ago >= SILENT_MS => Rest::Yes,
        true => Rest::IfItLasts,
    }
}

/// Whether what came last came after what was sent last.
///
/// Both may have fallen into one tick of the kernel's clock. What is sent after an answer is
/// acknowledged by itself, as a rule after the tick, and within 200 ms (`TCP_DELACK_MAX`,
/// include/net/tcp.h); and of small messages it is one segment more than there are answers.
fn is_answered(traffic: &Traffic) -> bool {
    if traffic.sent_ms_ago == traffic.received_ms_ago {
        traffic.segments_sent <= traffic.segments_received
            && traffic.acknowledged_ms_ago >= traffic.received_ms_ago
    } else {
        traffic.received_ms_ago < traffic.sent_ms_ago
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked and answered in one tick, a while ago.
    const ANSWERED: Traffic = Traffic {
        sent_ms_ago: 2_400,
        received_ms_ago: 2_400,
        acknowledged_ms_ago: 2_400,
        bytes_sent: 300,
        bytes_received: 900,
        segments_sent: 5,
        segments_received: 5,
        sent_segment_bytes: 1_448,
        received_segment_bytes: 1_448,
    };
    const POSTGRESQL: u16 = 5_432;

    #[test]
    fn whoever_listens_for_notifications_waits_for_work() {
        assert_eq!(rest(POSTGRESQL, &ANSWERED, &ANSWERED), Rest::Yes);
        let answered_later = Traffic {
            received_ms_ago: 2_396,
            acknowledged_ms_ago: 2_396,
            ..ANSWERED
        };
        assert_eq!(rest(POSTGRESQL, &ANSWERED, &answered_later), Rest::Yes);
    }

    #[test]
    fn a_slow_query_is_owed_an_answer() {
        let asked_later = Traffic {
            sent_ms_ago: 2_396,
            ..ANSWERED
        };
        let one_more = Traffic {
            segments_sent: 6,
            ..ANSWERED
        };
        let acknowledged = Traffic {
            acknowledged_ms_ago: 2_360,
            segments_received: 40,
            ..ANSWERED
        };
        for asked in [asked_later, one_more, acknowledged] {
            assert_eq!(rest(POSTGRESQL, &asked, &asked), Rest::No, "{asked:?}");
        }
    }

    #[test]
    fn asked_in_the_window_or_a_moment_ago_or_of_a_web_server_it_may_be_an_answer() {
        let before = Traffic {
            bytes_sent: 200,
            ..ANSWERED
        };
        assert_eq!(rest(POSTGRESQL, &before, &ANSWERED), Rest::No);
        let a_moment_ago = Traffic {
            sent_ms_ago: 800,
            received_ms_ago: 700,
            acknowledged_ms_ago: 700,
            ..ANSWERED
        };
        assert_eq!(
            rest(POSTGRESQL, &a_moment_ago, &a_moment_ago),
            Rest::IfItLasts
        );
        assert_eq!(rest(443, &ANSWERED, &ANSWERED), Rest::No);
    }
}

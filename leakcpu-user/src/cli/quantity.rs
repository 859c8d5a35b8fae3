//! Quantities as people type them: durations, rates, sizes.

use std::time::Duration;

/// Longest run that may be asked for: a day.
const MAX_DURATION_S: f64 = 86_400.0;
/// Highest sampling rate.
const MAX_RATE_HZ: u32 = 10_000;

/// Splits `12.5ms` into number and unit.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

/// `10`, `10s`, `500ms`, `2m`, `1h`; seconds if no unit is given.
pub fn duration(text: &str) -> Result<Duration, String> {
    let help = "a duration is a number with s, ms, m or h: 10, 10s, 500ms, 2m";
    let (number, unit) = split(text).ok_or(help)?;
    let seconds = match unit {
        "" | "s" | "sec" => number,
        "ms" => number / 1e3,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(help.to_owned()),
    };
    if seconds <= 0.0 {
        return Err(format!("there is nothing to see in no time; {help}"));
    }
    if seconds > MAX_DURATION_S {
        return Err(format!("longer than a day; {help}"));
    }
    if seconds < 0.001 {
        return Err(format!("shorter than a millisecond; {help}"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// `99`, `99hz`, `1khz`, `10k`.
pub fn rate_hz(text: &str) -> Result<u32, String> {
    let help = format!("a rate is 1 to {MAX_RATE_HZ} samples a second: 99, 1khz, 10k");
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split(&lower).ok_or_else(|| help.clone())?;
    let hz = match unit {
        "" | "hz" => number,
        "k" | "khz" => number * 1e3,
        _ => return Err(help),
    };
    // Between 1 and 10,000: it fits, and a fraction of a sample means nothing.
    let whole = format!("{hz:.0}")
        .parse::<u32>()
        .map_err(|_| help.clone())?;
    if (1..=MAX_RATE_HZ).contains(&whole) && (f64::from(whole) - hz).abs() < f64::EPSILON {
        Ok(whole)
    } else {
        Err(help)
    }
}

/// `5%`, `0.5`: a share of a core in percent, up to a thousand cores.
pub fn share(text: &str) -> Result<f64, String> {
    let help = "a share of a core is a number of percent: 5%, 0.5%";
    let (number, unit) = split(text).ok_or(help)?;
    if !matches!(unit, "" | "%") || number <= 0.0 || number > 100_000.0 {
        return Err(help.to_owned());
    }
    Ok(number / 100.0)
}

/// `1%`: what a process may lose of its time; up to a half.
pub fn loss(text: &str) -> Result<f64, String> {
    let help = "what may be lost is a number of percent, up to 50%: 1%, 0.5%";
    let share = share(text).map_err(|_| help)?;
    (share <= 0.5)
        .then_some(share)
        .ok_or_else(|| help.to_owned())
}

/// `262144`, `256k`, `4M`: a power of two between 64 KiB and 256 MiB.
pub fn ring_bytes(text: &str) -> Result<u32, String> {
    let help = "a ring buffer is a power of two between 64k and 256M bytes: 4M";
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split(&lower).ok_or(help)?;
    let bytes = match unit {
        "" | "b" => number,
        "k" | "kib" => number * 1024.0,
        "m" | "mib" => number * 1024.0 * 1024.0,
        _ => return Err(help.to_owned()),
    };
    let whole = format!("{bytes:.0}").parse::<u32>().map_err(|_| help)?;
    if whole.is_power_of_two() && (1 << 16..=1 << 28).contains(&whole) {
        Ok(whole)
    } else {
        Err(help.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in [
            ("10", 10_000),
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("0.5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "", "0", "0s", "-1", "ten", "5x", "1e9", "48h", "1us", "NaN", ".",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates() {
        for (text, hz) in [
            ("99", 99),
            ("1khz", 1000),
            ("10k", 10_000),
            ("1", 1),
            ("1KHz", 1000),
        ] {
            assert_eq!(rate_hz(text), Ok(hz), "{text}");
        }
        for text in ["0", "10001", "11k", "fast", "", "99.5", "-3"] {
            assert!(rate_hz(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ring_sizes() {
        assert_eq!(ring_bytes("4M"), Ok(4 << 20));
        assert_eq!(ring_bytes("65536"), Ok(1 << 16));
        for text in ["3M", "1k", "1G", "", "x"] {
            assert!(ring_bytes(text).is_err(), "{text}");
        }
    }
}

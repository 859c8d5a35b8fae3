//! Figures as a person says them.

/// `9.9 s`, `120 ms`, `35 µs`.
pub fn duration(ns: u64) -> String {
    let ns_f = ns as f64;
    match ns {
        0 => "0 s".to_owned(),
        1..1_000 => "<1 µs".to_owned(),
        1_000..999_500 => format!("{:.0} µs", ns_f / 1e3),
        999_500..9_950_000 => format!("{:.1} ms", ns_f / 1e6),
        9_950_000..999_500_000 => format!("{:.0} ms", ns_f / 1e6),
        999_500_000..99_950_000_000 => format!("{:.1} s", ns_f / 1e9),
        99_950_000_000..600_000_000_000 => format!("{:.0} s", ns_f / 1e9),
        _ => format!("{:.1} min", ns_f / 60e9),
    }
}

/// `9.9 of 10.0 s`, `12 ms of 10.0 s`.
pub fn part_of(part_ns: u64, whole_ns: u64) -> String {
    let (part, whole) = (duration(part_ns), duration(whole_ns));
    match (part.split_once(' '), whole.split_once(' ')) {
        (Some((number, part_unit)), Some((_, whole_unit))) if part_unit == whole_unit => {
            format!("{number} of {whole}")
        }
        _ => format!("{part} of {whole}"),
    }
}

/// `97 %`; `<1 %` for what is not nothing.
pub fn percent(share: f64) -> String {
    match share * 100.0 {
        p if p <= 0.0 => "0 %".to_owned(),
        p if p < 0.5 => "<1 %".to_owned(),
        p => format!("{p:.0} %"),
    }
}

/// `98,000`: three significant digits above a thousand.
pub fn number(value: f64) -> String {
    if value < 10.0 && value.fract() > 0.05 {
        return format!("{value:.1}");
    }
    let mut whole = value.round();
    if whole >= 1000.0 {
        let step = 10_f64.powf(whole.log10().floor() - 2.0);
        whole = (whole / step).round() * step;
    }
    group(&format!("{whole:.0}"))
}

/// `1,240`, all digits.
pub fn grouped(value: u64) -> String {
    group(&value.to_string())
}

fn group(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 wait`, `2 waits`.
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::{count, duration, grouped, number, part_of, percent};

    #[test]
    fn durations() {
        let said: Vec<String> = [
            0,
            30,
            35_400,
            3_440_000,
            120_400_000,
            999_600_000,
            9_949_000_000,
            123_000_000_000,
            900_000_000_000,
        ]
        .map(duration)
        .to_vec();
        assert_eq!(
            said,
            [
                "0 s", "<1 µs", "35 µs", "3.4 ms", "120 ms", "1.0 s", "9.9 s", "123 s", "15.0 min"
            ]
        );
    }

    #[test]
    fn parts() {
        assert_eq!(part_of(9_900_000_000, 10_000_000_000), "9.9 of 10.0 s");
        assert_eq!(part_of(12_000_000, 10_000_000_000), "12 ms of 10.0 s");
    }

    #[test]
    fn numbers() {
        assert_eq!(percent(0.9949), "99 %");
        assert_eq!(percent(0.001), "<1 %");
        assert_eq!(number(98_765.0), "98,800");
        assert_eq!(number(2.5), "2.5");
        assert_eq!(number(640.4), "640");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "wait", "waits"), "1 wait");
    }
}

//! Perf maps: what just-in-time compilers say of the code they make
//! (`tools/perf/Documentation/jit-interface.txt` of the kernel: lines `START SIZE
//! name`, numbers in hexadecimal).

/// The name of the code at each of `addresses` (sorted). Of two lines that cover an
/// address the later one counts: the memory has been used again.
pub(super) fn names_at(map: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
    let mut names: Vec<Option<&[u8]>> = vec![None; addresses.len()];
    for (start, size, name) in map.split(|byte| *byte == b'\n').filter_map(entry) {
        let first = addresses.partition_point(|&address| address < start);
        let end = start.saturating_add(size);
        let end = addresses.partition_point(|&address| address < end);
        for slot in names.get_mut(first..end).into_iter().flatten() {
            *slot = Some(name);
        }
    }
    names
        .into_iter()
        .map(|name| name.map(|name| String::from_utf8_lossy(name).trim().to_owned()))
        .collect()
}

fn entry(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    let mut fields = line.splitn(3, |byte| *byte == b' ');
    let mut number = || {
        let text = std::str::from_utf8(fields.next()?).ok()?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    let (start, size) = (number()?, number()?);
    fields.next().map(|name| (start, size, name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_find_their_lines() {
        let map = b"7f00 10 py::first:/a b.py\nrubbish\n0x7f10 8 second\n7f00 4 later\n";
        let names = names_at(map, &[0x7eff, 0x7f03, 0x7f04, 0x7f17, 0x7f18]);
        let names: Vec<Option<&str>> = names.iter().map(Option::as_deref).collect();
        assert_eq!(
            names,
            [
                None,
                Some("later"),
                Some("py::first:/a b.py"),
                Some("second"),
                None
            ]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            names_at(&bytes, &[0, 5, u64::MAX]);
        }
    }
}

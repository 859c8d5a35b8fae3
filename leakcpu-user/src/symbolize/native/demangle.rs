//! C++ and Rust names as their authors wrote them.

/// Longest name as printed.
const MAX_CHARS: usize = 200;

/// The readable form of `symbol`; itself if it is not mangled.
pub(super) fn demangle(symbol: &str) -> String {
    let plain = if let Ok(rust) = rustc_demangle::try_demangle(symbol) {
        format!("{rust:#}")
    } else if symbol.starts_with("_Z") {
        cpp_demangle::Symbol::new(symbol)
            .ok()
            .and_then(|name| name.demangle().ok())
            .unwrap_or_else(|| symbol.to_owned())
    } else {
        symbol.to_owned()
    };
    if plain.chars().count() <= MAX_CHARS {
        return plain;
    }
    plain
        .chars()
        .take(MAX_CHARS - 1)
        .chain(['\u{2026}'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn mangled_and_plain_names() {
        assert_eq!(demangle("deflate_slow"), "deflate_slow");
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(
            demangle("_ZN4core3fmt5write17h0123456789abcdefE"),
            "core::fmt::write"
        );
        assert_eq!(demangle("_Znonsense"), "_Znonsense");
        assert_eq!(demangle(&"x".repeat(900)).chars().count(), 200);
    }
}

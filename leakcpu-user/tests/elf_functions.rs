//! Functions by address, against what `nm` and the compiler say of the same files.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use pyobserve::elf::{Image, Wanted};

/// Runs a tool; `None`, said aloud, where it is missing.
fn run(tool: &str, args: &[&str]) -> Option<String> {
    match Command::new(tool).args(args).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{tool} {args:?}: {said}");
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Err(error) => {
            eprintln!("skipped: {tool}: {error}");
            None
        }
    }
}

/// Functions that `nm -S` lists: name, address, size.
fn listed(path: &Path, dynamic: bool) -> Option<Vec<(String, u64, u64)>> {
    let path = path.to_str().unwrap();
    let args: &[&str] = if dynamic {
        &["-S", "-D", "--defined-only", path]
    } else {
        &["-S", "--defined-only", path]
    };
    let functions = run("nm", args)?
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [address, size, "t" | "T", name] = fields[..] else {
                return None;
            };
            let hex = |text| u64::from_str_radix(text, 16).ok();
            // Versions are written behind the name.
            let name = name.split('@').next()?;
            Some((name.to_owned(), hex(address)?, hex(size)?))
        })
        .collect();
    Some(functions)
}

fn libraries() -> Vec<PathBuf> {
    support::supported()
        .iter()
        .map(|python| {
            let name = format!("libpython3.{}.so.1.0", python.minor);
            let library = python.file().parent().unwrap().join("../lib").join(name);
            let files = [library, python.file()];
            let found = files.iter().find_map(|path| fs::canonicalize(path).ok());
            found.unwrap()
        })
        .collect()
}

#[test]
fn every_function_of_nm_is_found_at_its_first_and_last_byte() {
    let mut compared = 0;
    for path in libraries() {
        let bytes = fs::read(&path).unwrap();
        let image = Image::parse(&bytes[..]).unwrap();
        for (table, dynamic) in [(Wanted::All, false), (Wanted::Exported, true)] {
            let Some(functions) = listed(&path, dynamic) else {
                return;
            };
            let functions: Vec<_> = functions.into_iter().filter(|f| f.2 > 0).collect();
            for into in [0, 1] {
                let mut wanted: Vec<(u64, &str)> = functions
                    .iter()
                    .map(|(name, address, size)| (address + into * (size - 1), &**name))
                    .collect();
                wanted.sort_unstable();
                let addresses: Vec<u64> = wanted.iter().map(|(address, _)| *address).collect();
                let found = image.functions_at(table, &addresses).unwrap();
                for ((address, name), found) in wanted.iter().zip(found) {
                    let found = found.unwrap_or_else(|| panic!("nothing at {address:x}"));
                    assert!(found.covers, "{name} at {address:x} of {}", path.display());
                    // Two names may stand for the same code, and a name for two functions.
                    let is_listed = functions.iter().any(|(n, start, size)| {
                        *n == found.name
                            && *start == found.address
                            && (*start..start + size).contains(address)
                    });
                    assert!(is_listed, "{name} at {address:x} is called {found:?}");
                    compared += 1;
                }
            }
        }
    }
    eprintln!("{compared} functions compared");
    assert!(compared > 0, "no interpreter to compare with");
}

const SOURCE: &str = "
    __attribute__((noinline)) static long hidden(long n) {
        long sum = 0;
        for (long i = 0; i < n; i++) sum += i * i;
        return sum;
    }
    __attribute__((noinline)) long shown(long n) { return hidden(n) + 1; }
    long other(long n) { return n + 2; }
";

#[test]
fn a_stripped_file_has_only_the_nearest_exported_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, full, stripped) = (at("x.c"), at("libx.so"), at("libx-stripped.so"));
    fs::write(&source, SOURCE).unwrap();
    let flags = ["-O1", "-shared", "-fPIC", "-o", &full, &source];
    if run("gcc", &flags).is_none() || run("strip", &["-o", &stripped, &full]).is_none() {
        return;
    }
    let Some(functions) = listed(Path::new(&full), false) else {
        return;
    };
    let hidden = functions.iter().find(|f| f.0 == "hidden").unwrap().1;
    let shown = functions.iter().find(|f| f.0 == "shown").unwrap().1;
    let mut addresses = [hidden, shown];
    addresses.sort_unstable();
    let find = |path: &str, table| {
        let bytes = fs::read(path).unwrap();
        let image = Image::parse(&bytes[..]).unwrap();
        let found = image.functions_at(table, &addresses).unwrap();
        let at = |address| {
            let i = addresses.iter().position(|a| *a == address).unwrap();
            found[i].clone()
        };
        (at(hidden), at(shown))
    };
    let (in_full, _) = find(&full, Wanted::All);
    let in_full = in_full.unwrap();
    assert_eq!((&*in_full.name, in_full.covers), ("hidden", true));
    assert_eq!(find(&stripped, Wanted::All), (None, None));
    let (near, exact) = find(&stripped, Wanted::Exported);
    let exact = exact.unwrap();
    assert_eq!((&*exact.name, exact.covers), ("shown", true));
    assert!(
        near.as_ref().is_none_or(|near| !near.covers),
        "a static function of a stripped file has no name: {near:?}"
    );
}

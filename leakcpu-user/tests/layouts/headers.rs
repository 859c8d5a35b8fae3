//! The headers of installed interpreters, and what the compiler makes of them.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use pyobserve::{elf::Image, interpreter::layout::debug_offsets};

/// The headers of one interpreter, as one kind of build has them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Headers {
    /// 8 of 3.8.
    pub minor: u8,
    /// Taken as those of a build without the GIL.
    pub free_threaded: bool,
    /// `include/python3.N`.
    pub folder: PathBuf,
    /// The file system they are part of, if it is not this one.
    root: Option<PathBuf>,
}

impl Headers {
    /// As in `3.14t`.
    pub fn build(&self) -> String {
        let t = if self.free_threaded { "t" } else { "" };
        format!("3.{}{t}", self.minor)
    }
}

/// Every `python3.N` with internal headers of pyenv, of the system, and of the root
/// folders that `PYOBSERVE_TEST_ROOTS` names; from 3.13 on both as of a build with the GIL
/// and as of one without, if they are not of the latter anyway.
pub fn installed() -> Vec<Headers> {
    let pyenv = env::var_os("PYENV_ROOT")
        .map(PathBuf::from)
        .or_else(|| env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let mut parents: Vec<(Option<PathBuf>, PathBuf)> = ["/usr/include", "/usr/local/include"]
        .map(|dir| (None, dir.into()))
        .into();
    if let Some(versions) = pyenv.and_then(|root| root.join("versions").read_dir().ok()) {
        parents.extend(
            versions
                .flatten()
                .map(|version| (None, version.path().join("include"))),
        );
    }
    let roots = env::var_os("PYOBSERVE_TEST_ROOTS").unwrap_or_default();
    parents.extend(env::split_paths(&roots).map(|root| {
        let include = root.join("usr/include");
        (Some(root), include)
    }));
    let mut found: Vec<Headers> = parents
        .into_iter()
        .flat_map(|(root, parent)| {
            let entries = parent.read_dir().into_iter().flatten().flatten();
            entries.flat_map(move |entry| of_folder(root.as_deref(), &entry.path()))
        })
        .collect();
    found.sort();
    found
}

fn of_folder(root: Option<&Path>, folder: &Path) -> Vec<Headers> {
    let minor = folder
        .file_name()
        .and_then(|name| name.to_str()?.strip_prefix("python3."))
        .and_then(|minor| minor.trim_end_matches('t').parse().ok());
    let Some(minor) = minor.filter(|minor| *minor >= 8 && folder.join("internal").is_dir()) else {
        return Vec::new();
    };
    let is_free_threaded = fs::read_to_string(folder.join("pyconfig.h"))
        .is_ok_and(|config| config.contains("#define Py_GIL_DISABLED 1"));
    let kinds: &[bool] = match (is_free_threaded, minor) {
        (true, _) => &[true],
        (false, 13..) => &[false, true],
        (false, _) => &[false],
    };
    kinds
        .iter()
        .map(|free_threaded| Headers {
            minor,
            free_threaded: *free_threaded,
            folder: folder.to_owned(),
            root: root.map(Path::to_owned),
        })
        .collect()
}

/// What the compiler says of one set of headers.
pub struct Facts {
    /// By name.
    pub numbers: BTreeMap<String, u64>,
    /// The first bytes of `_PyRuntime`, from 3.13 on.
    pub runtime_head: Vec<u8>,
}

/// Whether there is a C compiler.
pub fn has_compiler() -> bool {
    let mut version = Command::new(compiler());
    version.arg("--version");
    version.output().is_ok_and(|output| output.status.success())
}

fn compiler() -> String {
    env::var("CC").unwrap_or_else(|_| "cc".to_owned())
}

/// Bytes of `struct fact` of offsets.c.
const FACT_BYTES: usize = 72;

/// Compiles offsets.c with `headers` and reads the object file.
pub fn facts(headers: &Headers) -> Facts {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/offsets.c");
    let folder = tempfile::tempdir().unwrap();
    let object = folder.path().join("offsets.o");
    let words: Vec<String> = debug_offsets::words(headers.minor)
        .into_iter()
        .flatten()
        .map(|word| format!("WORD({}, {})", word.group, word.name))
        .collect();
    let mut command = Command::new(compiler());
    command
        .args(["-std=gnu11", "-w", "-c", "-o"])
        .arg(&object)
        .arg(&source)
        .arg(format!("-DWORDS={}", words.join(" ")))
        .arg("-I")
        .arg(&headers.folder)
        .arg("-I")
        .arg(headers.folder.join("internal"));
    if headers.free_threaded {
        command.arg("-DPy_GIL_DISABLED=1");
    }
    if let Some(root) = &headers.root {
        // Debian's pyconfig.h includes another by its place under /usr/include; the C
        // library's headers stay those of this system.
        command.arg("-idirafter").arg(root.join("usr/include"));
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{headers:?}: {command:?}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let bytes = fs::read(&object).unwrap();
    let image = Image::parse(bytes.as_slice()).unwrap();
    let section = |name: &str| {
        let found = image.section(&format!(".pyobserve.{name}")).unwrap();
        found.map(|(_, bytes)| bytes)
    };

    let mut numbers: BTreeMap<String, u64> = section("facts")
        .expect("offsets.c has it")
        .chunks_exact(FACT_BYTES)
        .map(|fact| {
            let (name, value) = fact.split_at(FACT_BYTES - 8);
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            let name = String::from_utf8(name.to_vec()).unwrap();
            (name, u64::from_le_bytes(value.try_into().unwrap()))
        })
        .collect();
    let state = usize::try_from(numbers["PyASCIIObject.state"]).unwrap();
    for (name, object) in [
        ("state.kind bit", "unicode_kind"),
        ("state.compact bit", "unicode_compact"),
        ("state.ascii bit", "unicode_ascii"),
    ] {
        let object = section(object).expect("offsets.c has it");
        let word = u64::from_le_bytes(object[state..state + 8].try_into().unwrap());
        assert_eq!(word.count_ones(), 1, "{headers:?}: {name}");
        numbers.insert(name.to_owned(), word.trailing_zeros().into());
    }
    let runtime_head = section("debug_offsets").unwrap_or_default();
    Facts {
        numbers,
        runtime_head: runtime_head[..runtime_head.len().min(2048)].to_vec(),
    }
}

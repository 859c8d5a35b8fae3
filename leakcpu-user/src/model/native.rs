//! Native code: what a thread was executing below its Python frames.

use serde::{Deserialize, Serialize};

use super::{NativeId, NativeStackId};

/// How sure the name of native code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Naming {
    /// A symbol says that it covers the address.
    Exact,
    /// No symbol covers the address: the name is only the nearest one below it (of
    /// those that a stripped file still exports), and the code may be another
    /// function's.
    Nearest,
    /// No name at all.
    Unknown,
}

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The loop that executes Python's byte code: Python itself.
    EvalLoop,
    /// A function of the interpreter in C: `list.sort`, attribute look-ups, memory.
    Interpreter,
    /// Another library or extension module.
    Library,
    /// The C library, the loader or the vdso: they serve all of the above.
    CLibrary,
    /// The kernel, on behalf of the process.
    Kernel,
    /// Code made at run time.
    Generated,
    /// An address that nothing known was mapped at, or one of the interpreter's without a
    /// name that may be its loop.
    Unknown,
}

/// A function in machine code, or what is known of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeFunction {
    /// Its name, C++ and Rust ones demangled; with [`Naming::Nearest`] that of the
    /// nearest symbol below.
    pub symbol: Option<String>,
    /// How sure the name is.
    pub naming: Naming,
    /// The file it is in, without its directory, or `[kernel]`, `[nfs]` (a module of
    /// the kernel), `[vdso]`, `[anon]`; `None` if nothing known was mapped there.
    pub module: Option<String>,
    /// Whose it is.
    pub code: Code,
}

impl NativeFunction {
    /// The name as reports print it: `deflate`, `~PyList_Sort` for the nearest symbol.
    pub fn shown_symbol(&self) -> Option<String> {
        let symbol = self.symbol.as_ref()?;
        Some(match self.naming {
            Naming::Exact => symbol.clone(),
            Naming::Nearest => format!("~{symbol}"),
            Naming::Unknown => return None,
        })
    }

    /// `do_spin, libgomp.so.1`, or as much of it as is known.
    pub fn in_words(&self) -> String {
        let symbol = self.shown_symbol();
        let parts = [symbol.as_deref(), self.module.as_deref()];
        let known: Vec<&str> = parts.into_iter().flatten().collect();
        if known.is_empty() {
            return "unknown code".to_owned();
        }
        known.join(", ")
    }
}

/// Where in native code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NativeFrame {
    /// The function.
    pub function: NativeId,
    /// Bytes into the symbol; without one, the offset in the file.
    pub offset: u64,
}

/// Samples at one native place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Where.
    pub frame: NativeFrame,
    /// How many.
    pub count: u64,
    /// In kernel mode: the thread was there to have a page of memory put in place.
    pub page_fault: bool,
    /// It is a `pause`, with which code marks that it spins, or right behind one: that is where
    /// an interrupt finds a thread that executes it.
    #[serde(default)]
    pub at_pause: bool,
    /// The whole native stack, if it was asked for and could be taken.
    pub stack: Option<NativeStackId>,
}

/// How far a native stack was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NativeEnd {
    /// To where the thread began.
    Root,
    /// No further than the last frame: its code keeps no frame pointer, so that
    /// nothing leads to its caller.
    NoFramePointer,
    /// To as many frames as the kernel records.
    DepthLimit,
}

/// A distinct native stack, leaf first; the kernel's part of it, if any, before the
/// thread's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NativeStack {
    /// Leaf first.
    pub frames: Vec<NativeFrame>,
    /// How far it reaches.
    pub end: NativeEnd,
}

/// On-CPU time of native code under one Python function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NativeTimes {
    /// Which code.
    pub native: NativeId,
    /// On a CPU there: part of the function's own time.
    pub on_cpu_ns: u64,
    /// The part of it that the kernel spent on page faults.
    pub page_fault_ns: u64,
    /// The offset that was seen most: what finds the code if there is no name.
    pub hot_offset: u64,
}

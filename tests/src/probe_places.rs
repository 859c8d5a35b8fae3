//! What listening at an interpreter's probes changes in a process: the places' instructions and the
//! counters of listeners.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    thread,
    time::{Duration, Instant},
};

use pyobserve::elf::{Image, usdt_notes};

use crate::{
    garbage,
    interpreter::{self, Interpreter},
};

/// All of a process, as its memory has them; only of executables that are loaded where they are
/// linked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The counters of listeners.
    pub semaphores: Vec<u16>,
    /// The first byte of each place.
    pub instructions: Vec<u8>,
}

impl Places {
    /// Reads them.
    pub fn of(pid: u32, python: &Interpreter) -> Self {
        let file = fs::canonicalize(python.file()).expect("it is there");
        let bytes = fs::read(file).expect("it can be read");
        let image = Image::parse(&*bytes).expect("it is an ELF file");
        let notes = usdt_notes(&image).expect("its notes can be read");
        let memory = File::open(format!("/proc/{pid}/mem")).expect("its memory can be read");
        let read = |offset, bytes: &mut [u8]| {
            let address = image.address_of(offset)?;
            memory.read_exact_at(bytes, address).expect("it is mapped");
            Some(())
        };
        let semaphore = |offset| {
            let mut word = [0; 2];
            read(offset, &mut word).map(|()| u16::from_le_bytes(word))
        };
        let instruction = |offset| {
            let mut byte = [0];
            read(offset, &mut byte).map(|()| byte[0])
        };
        let semaphores = notes.probes.iter().filter_map(|probe| probe.semaphore);
        let places = notes.probes.iter().flat_map(|probe| &probe.places);
        Self {
            semaphores: semaphores.filter_map(semaphore).collect(),
            instructions: places
                .filter_map(|place| instruction(place.offset))
                .collect(),
        }
    }

    /// Counters that say that somebody listens.
    pub fn raised(&self) -> usize {
        self.semaphores.iter().filter(|count| **count > 0).count()
    }
}

/// Debian's own interpreter, which is linked to fixed addresses and started directly.
pub fn fixed() -> Option<&'static Interpreter> {
    let found = interpreter::all()
        .into_iter()
        .find(|python| interpreter::is_debian(python) && garbage::has_probes(python));
    if found.is_none() {
        eprintln!("SKIPPED: no interpreter of Debian's with probes here");
    }
    found
}

/// Waits for something to be so, for a while.
pub fn settled<T>(mut is_so: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        match is_so() {
            Some(found) => return Some(found),
            None if Instant::now() > until => return None,
            None => thread::sleep(Duration::from_millis(10)),
        }
    }
}

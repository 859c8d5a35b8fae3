//! Two threads that hand each other a byte over pipes, on one CPU.

use std::{
    io::{PipeReader, PipeWriter, Read as _, Write as _, pipe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Result;

use super::workload;

/// Runs until it is dropped.
pub struct Players {
    threads: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
}

impl Players {
    /// Starts both on `cpu`.
    pub fn start(cpu: usize) -> Result<Self> {
        let stop = Arc::default();
        let (here_in, there_out) = pipe()?;
        let (there_in, here_out) = pipe()?;
        let threads = vec![
            play(cpu, here_in, here_out, true, &stop),
            play(cpu, there_in, there_out, false, &stop),
        ];
        Ok(Self { threads, stop })
    }
}

fn play(
    cpu: usize,
    mut from: PipeReader,
    mut to: PipeWriter,
    begins: bool,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        let mut byte = [0_u8; 1];
        if workload::pin(cpu).is_err() || (begins && to.write_all(&byte).is_err()) {
            return;
        }
        // The one that ends closes its pipes, which ends the other.
        while !stop.load(Ordering::Relaxed)
            && from.read_exact(&mut byte).is_ok()
            && to.write_all(&byte).is_ok()
        {}
    })
}

impl Drop for Players {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

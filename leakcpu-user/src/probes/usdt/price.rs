//! What a probe that fires takes of the target, measured on ourselves: it differs by a factor of
//! ten between machines, and what calls are counted for moments only for hangs on it.

use std::{arch::global_asm, fs, path::Path, time::Instant};

use aya::Ebpf;
use leakcpu_common::usdt::{UsdtSite, probe};

use super::{Scope, Usdt, UsdtError, UsdtLink, UsdtTarget, group::ProbeGroup};
use crate::probes::ProbeError;

/// Passes that are timed together.
const PASSES: u32 = 500;

// A probe is a `nop`, which the kernel does not have to execute elsewhere.
global_asm!(
    ".pushsection .text.pyobserve_trap,\"ax\",@progbits",
    ".globl pyobserve_trap",
    ".hidden pyobserve_trap",
    ".type pyobserve_trap,@function",
    ".balign 16",
    "pyobserve_trap:",
    "nop",
    "ret",
    ".size pyobserve_trap, . - pyobserve_trap",
    ".popsection",
);

unsafe extern "C" {
    fn pyobserve_trap();
}

/// A place of our own code that is listened at.
pub(super) struct OwnPlace {
    link: UsdtLink,
    /// What passing it took before.
    free_ns: u64,
}

impl Usdt {
    /// What passing a place takes at which the program of a group listens, which has nothing to
    /// do with us. Nanoseconds. From the first time on it is listened at.
    pub(in crate::probes) fn passing_ns(
        &mut self,
        ebpf: &mut Ebpf,
        group: ProbeGroup,
    ) -> Result<u64, ProbeError> {
        if self.own_place.is_none() {
            self.own_place = Some(self.own_place(ebpf, group)?);
        }
        let free_ns = self.own_place.as_ref().map_or(0, |place| place.free_ns);
        Ok(pass().saturating_sub(free_ns) / u64::from(PASSES))
    }

    fn own_place(&mut self, ebpf: &mut Ebpf, group: ProbeGroup) -> Result<OwnPlace, ProbeError> {
        let file = Path::new("/proc/self/exe");
        let target = UsdtTarget {
            site: UsdtSite {
                probe: probe::FUNCTION_RETURN,
                ..UsdtSite::default()
            },
            offset: offset_in_file(pyobserve_trap as *const () as u64)
                .ok_or_else(|| UsdtError::NotMapped(file.to_owned()))?,
            semaphore: None,
        };
        pass();
        let free_ns = pass();
        let only = Scope::Process(std::process::id());
        let link = self.attach(ebpf, group, file, &[target], only)?;
        // The first pass of all changes the page.
        pass();
        Ok(OwnPlace { link, free_ns })
    }

    /// Ceases to listen at our own place.
    pub(in crate::probes) fn leave_own_place(&mut self) {
        if let Some(place) = self.own_place.take() {
            self.detach(place.link);
        }
    }
}

/// What passing the place so many times takes.
fn pass() -> u64 {
    let began = Instant::now();
    for _ in 0..PASSES {
        // SAFETY: it takes nothing, changes nothing and returns.
        unsafe { pyobserve_trap() };
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Where in our own executable an address is.
fn offset_in_file(address: u64) -> Option<u64> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (range, _, offset) = (fields.next()?, fields.next()?, fields.next()?);
        let (from, to) = range.split_once('-')?;
        let number = |text| u64::from_str_radix(text, 16).ok();
        let (from, to, offset) = (number(from)?, number(to)?, number(offset)?);
        (from..to)
            .contains(&address)
            .then(|| address - from + offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_in_our_own_file() {
        let offset = offset_in_file(pyobserve_trap as *const () as u64).unwrap();
        let bytes = fs::read("/proc/self/exe").unwrap();
        let at = usize::try_from(offset).unwrap();
        // `nop; ret` of x86-64, or `nop` of aarch64.
        let expected: &[u8] = if cfg!(target_arch = "x86_64") {
            &[0x90, 0xc3]
        } else {
            &[0x1f, 0x20, 0x03, 0xd5]
        };
        assert_eq!(&bytes[at..at + expected.len()], expected);
    }
}

//! Loading a program for links to several places, which aya does not: the kernel wants it to
//! say at load what it will be attached to.

use std::{
    collections::{HashMap, HashSet},
    ffi::CString,
    io, mem,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd},
};

use aya::{Ebpf, maps::Map};
use aya_obj::{
    Object,
    generated::{
        bpf_attach_type::BPF_TRACE_UPROBE_MULTI, bpf_attr, bpf_cmd,
        bpf_prog_type::BPF_PROG_TYPE_KPROBE,
    },
};

use super::link::bpf;

/// Why the program is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the object: {0}")]
    Object(Box<dyn std::error::Error + Send + Sync>),
    #[error("no program `{0}`")]
    Missing(&'static str),
    #[error("the map `{0}` is not loaded")]
    NoMap(String),
    #[error("the kernel: {0}")]
    Kernel(#[from] io::Error),
}

fn object<E: std::error::Error + Send + Sync + 'static>(error: E) -> LoadError {
    LoadError::Object(Box::new(error))
}

/// Descriptors of maps that are loaded, by name.
pub(in crate::probes) type MapFds = HashMap<String, RawFd>;

/// Those of an object, none of whose maps has been taken out yet.
pub(in crate::probes) fn map_fds(ebpf: &Ebpf) -> MapFds {
    let named = |(name, map): (&str, _)| Some((name.to_owned(), fd(map)?));
    ebpf.maps().filter_map(named).collect()
}

/// Loads program `name` of an object once more, with the maps that are loaded already.
pub(super) fn load_for_multi(
    fds: &MapFds,
    bytes: &[u8],
    name: &'static str,
) -> Result<OwnedFd, LoadError> {
    let mut parsed = Object::parse(bytes).map_err(object)?;
    parsed.programs.retain(|program, _| program == name);
    let btf = load_btf(&mut parsed)?;
    let maps = mem::take(&mut parsed.maps);
    let text: HashSet<usize> = parsed
        .functions
        .keys()
        .map(|(section, _)| *section)
        .collect();
    // All of them: a place that names a map that is left out would get another one.
    let mut loaded = Vec::with_capacity(maps.len());
    for (map, of) in &maps {
        let fd = fds.get(map).ok_or_else(|| LoadError::NoMap(map.clone()))?;
        loaded.push((map.as_str(), *fd, of));
    }
    parsed
        .relocate_maps(loaded.into_iter(), &text)
        .map_err(object)?;
    parsed.relocate_calls(&text).map_err(object)?;
    let program = parsed.programs.get(name).ok_or(LoadError::Missing(name))?;
    let function = parsed
        .functions
        .get(&program.function_key())
        .ok_or(LoadError::Missing(name))?;
    let functions = function.func_info.func_info_bytes();
    let license: CString = program.license.clone();
    // SAFETY: all zeroes is a value of every member of the union.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: the member that the command reads.
    let load = unsafe { &mut attr.__bindgen_anon_3 };
    load.prog_type = BPF_PROG_TYPE_KPROBE as u32;
    load.expected_attach_type = BPF_TRACE_UPROBE_MULTI as u32;
    for (to, from) in load.prog_name.iter_mut().zip(name.bytes().take(15)) {
        *to = from.cast_signed();
    }
    load.insns = function.instructions.as_ptr() as u64;
    load.insn_cnt = u32::try_from(function.instructions.len()).unwrap_or(u32::MAX);
    load.license = license.as_ptr() as u64;
    // Global functions are verified one by one only where types tell which those are.
    if let Some(btf) = &btf {
        load.prog_btf_fd = btf.as_raw_fd().cast_unsigned();
        load.func_info = functions.as_ptr() as u64;
        load.func_info_cnt = u32::try_from(function.func_info.len()).unwrap_or(0);
        load.func_info_rec_size = u32::try_from(function.func_info_rec_size).unwrap_or(0);
    }
    Ok(bpf(bpf_cmd::BPF_PROG_LOAD, &attr)?)
}

/// The object's types, in the kernel.
fn load_btf(parsed: &mut Object) -> Result<Option<OwnedFd>, LoadError> {
    let Some(features) = aya::features().btf() else {
        return Ok(None);
    };
    let Some(btf) = parsed.fixup_and_sanitize_btf(features).map_err(object)? else {
        return Ok(None);
    };
    let bytes = btf.to_bytes();
    // SAFETY: all zeroes is a value of every member of the union.
    let mut attr: bpf_attr = unsafe { mem::zeroed() };
    // SAFETY: the member that the command reads.
    let load = unsafe { &mut attr.__bindgen_anon_7 };
    load.btf = bytes.as_ptr() as u64;
    load.btf_size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Ok(Some(bpf(bpf_cmd::BPF_BTF_LOAD, &attr)?))
}

fn fd(map: &Map) -> Option<RawFd> {
    let (Map::Array(data)
    | Map::HashMap(data)
    | Map::LruHashMap(data)
    | Map::PerCpuArray(data)
    | Map::PerCpuHashMap(data)
    | Map::RingBuf(data)
    | Map::StackTraceMap(data)) = map
    else {
        return None;
    };
    Some(data.fd().as_fd().as_raw_fd())
}

//! What of the linked object is embedded: everything but DWARF, from which BTF
//! was made already and which no loader reads.

use anyhow::{Context as _, Result, ensure};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// The object without its `.debug_*` sections and their relocations.
pub fn strip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(bytes).context("not an ELF object")?;
    ensure!(
        builder
            .sections
            .iter()
            .any(|section| section.name == ".BTF".into()),
        "the linker wrote no .BTF section"
    );
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        if name.starts_with(b".debug_") || name.starts_with(b".rel.debug_") {
            section.delete = true;
        }
    }
    builder.delete_orphans();
    // LLVM names sections and symbols out of one table; the writer wants two.
    let names = builder.sections.add();
    names.name = ".shstrtab".into();
    names.sh_type = SHT_STRTAB;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder
        .write(&mut stripped)
        .context("cannot write the object")?;
    Ok(stripped)
}

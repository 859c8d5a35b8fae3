//! `--usdt auto|none|gc,import,audit,calls,line`.

use crate::probes::{CallCounting, ProbeGroup, ProbeGroups};

/// Those that cost next to nothing and cannot fail in the target.
const AUTO: ProbeGroups = ProbeGroups::NONE.with(ProbeGroup::Collector);

/// What is to be listened at.
pub fn parse(text: &str) -> Result<ProbeGroups, String> {
    match text {
        "auto" => return Ok(AUTO),
        "none" => return Ok(ProbeGroups::NONE),
        _ => {}
    }
    let mut wanted = ProbeGroups::NONE;
    for name in text.split(',') {
        let mut groups = ProbeGroup::ALL.into_iter();
        let Some(group) = groups.find(|group| group.name() == name) else {
            let names: Vec<&str> = ProbeGroup::ALL.iter().map(|group| group.name()).collect();
            return Err(format!(
                "`{name}` is no group of probes: auto, none, or some of {}",
                names.join(",")
            ));
        };
        wanted = wanted.with(group);
    }
    Ok(wanted)
}

/// Says on stderr what is armed that may be felt.
pub fn announce(groups: ProbeGroups, counting: CallCounting, quiet: bool) {
    if quiet {
        return;
    }
    for group in groups.groups() {
        for warning in group.warnings(counting) {
            anstream::eprintln!("pyobserve: {warning}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_in_a_list() {
        let both = ProbeGroups::NONE
            .with(ProbeGroup::Collector)
            .with(ProbeGroup::Imports);
        assert_eq!(parse("gc,import"), Ok(both));
        assert_eq!(parse("auto"), parse("gc"));
        assert_eq!(parse("none"), Ok(ProbeGroups::NONE));
        for wrong in ["", "gc,", "everything", "auto,gc", "none,import"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

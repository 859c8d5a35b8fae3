//! `--usdt auto|none|gc,import,audit`.

use crate::probes::{ProbeGroup, ProbeGroups};

/// Those that cost next to nothing and cannot fail in the target.
const AUTO: ProbeGroups = ProbeGroups {
    collector: true,
    ..ProbeGroups::NONE
};

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
        let group = groups.find(|group| group.name() == name);
        match group {
            Some(ProbeGroup::Collector) => wanted.collector = true,
            Some(ProbeGroup::Imports) => wanted.imports = true,
            Some(ProbeGroup::Audit) => wanted.audit = true,
            None => {
                let names: Vec<&str> = ProbeGroup::ALL.iter().map(|group| group.name()).collect();
                return Err(format!(
                    "`{name}` is no group of probes: auto, none, or some of {}",
                    names.join(",")
                ));
            }
        }
    }
    Ok(wanted)
}

/// Says on stderr what is armed that may be felt.
pub fn announce(groups: ProbeGroups, quiet: bool) {
    if quiet {
        return;
    }
    for warning in groups.groups().filter_map(ProbeGroup::warning) {
        anstream::eprintln!("pyobserve: {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_in_a_list() {
        let both = ProbeGroups {
            collector: true,
            imports: true,
            audit: false,
        };
        assert_eq!(parse("gc,import"), Ok(both));
        assert_eq!(parse("auto"), parse("gc"));
        assert_eq!(parse("none"), Ok(ProbeGroups::NONE));
        for wrong in ["", "gc,", "everything", "auto,gc", "none,import"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

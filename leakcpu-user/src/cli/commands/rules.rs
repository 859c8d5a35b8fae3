//! `pyobserve rules`.

use std::io::{self, Write};

use crate::{
    cli::{
        args::RulesArgs,
        exit::{Exit, Failure},
    },
    diagnose::{RULES, Rule, rule},
};

/// Lists the rules, or explains one.
pub(crate) fn run(rules: &RulesArgs) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    let written = match &rules.name {
        None => list(&mut out),
        Some(name) => match rule(name) {
            Some(found) => explain(found, &mut out),
            None => return Err(Failure::Usage(unknown(name))),
        },
    };
    written
        .and_then(|()| out.flush())
        .map_err(|source| Failure::Io {
            doing: "write the rules".to_owned(),
            source,
        })?;
    Ok(Exit::Ok)
}

fn list(out: &mut dyn Write) -> io::Result<()> {
    let width = RULES.iter().map(|rule| rule.name().len()).max();
    for rule in RULES {
        let width = width.unwrap_or(0);
        writeln!(out, "{:width$}  {}", rule.name(), rule.about())?;
        writeln!(out, "{:width$}  needs: {}", "", rule.explanation().needs)?;
    }
    Ok(())
}

fn explain(rule: &dyn Rule, out: &mut dyn Write) -> io::Result<()> {
    let told = rule.explanation();
    writeln!(out, "{}: {}", rule.name(), rule.about())?;
    for (title, text) in [
        ("Symptom", told.symptom),
        ("Evidence", told.evidence),
        ("Needs", told.needs),
        ("Fix", told.fix),
    ] {
        writeln!(out, "\n{title}\n    {text}")?;
    }
    for (title, example) in [("Slow", told.slow), ("Fixed", told.fixed)] {
        writeln!(out, "\n{title}")?;
        for line in example.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// What to type instead.
fn unknown(name: &str) -> String {
    let alike = RULES
        .into_iter()
        .map(Rule::name)
        .filter(|known| known.contains(name));
    let alike: Vec<&str> = alike.collect();
    let hint = if alike.is_empty() {
        "`pyobserve rules` lists them".to_owned()
    } else {
        format!("perhaps {}", alike.join(", "))
    };
    format!("there is no rule {name}: {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_listed_and_explained() {
        let mut listed = Vec::new();
        list(&mut listed).expect("memory takes everything");
        let listed = String::from_utf8(listed).expect("it is text");
        for rule in RULES {
            assert!(listed.contains(rule.name()), "{}", rule.name());
            let mut explained = Vec::new();
            explain(rule, &mut explained).expect("memory takes everything");
            let explained = String::from_utf8(explained).expect("it is text");
            let told = rule.explanation();
            assert_ne!(told.slow, told.fixed, "{}", rule.name());
            assert!(explained.contains(told.symptom), "{explained}");
        }
        assert!(unknown("gil").contains("cpu.single-core-gil"));
        assert!(unknown("nonsense").contains("pyobserve rules"));
    }
}

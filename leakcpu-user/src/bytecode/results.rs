//! Whether the loops that a thread was sampled in leave something behind.
//!
//! This is no proof that it computes something of use, and no loop is accused for the lack
//! of it: it tells how sure one may be of a thread that is said to compute because nothing
//! else is proved.

use std::collections::BTreeMap;

use super::{Analysis, EffectKind, Loop, Sample, SampledCode, SeenCallees};

/// Whether at least `least` of the samples are in a loop each round of which leaves more behind
/// than a count: a sum, an item of a list, an attribute. Of a stack the innermost loop decides,
/// for the others go round no faster than it ends.
pub fn leave_results<'a>(
    samples: &[Sample],
    least: u64,
    code: &mut impl FnMut(u32) -> Option<&'a SampledCode<'a>>,
) -> bool {
    let mut known: BTreeMap<(u32, u32), bool> = BTreeMap::new();
    let mut seen = 0;
    for sample in samples {
        let innermost = sample.places.iter().flatten().find_map(|place| {
            let analysis = &code(place.code)?.analysis;
            Some((place.code, analysis, analysis.innermost(&[place.offset])?))
        });
        if let Some((id, analysis, this)) = innermost
            && *known
                .entry((id, this.header))
                .or_insert_with(|| leaves_results(analysis, this))
        {
            seen += sample.count;
        }
    }
    seen >= least.max(1)
}

fn leaves_results(analysis: &Analysis<'_>, this: &Loop) -> bool {
    let judged = analysis.judge(this, &SeenCallees::default());
    judged.effects.iter().any(|effect| match effect.kind {
        EffectKind::Local
        | EffectKind::Global
        | EffectKind::Cell
        | EffectKind::Attribute
        | EffectKind::Subscript
        | EffectKind::Container
        | EffectKind::Call => true,
        // A spin may count its rounds, and look at several things one after the other.
        EffectKind::Counter | EffectKind::Iterator | EffectKind::Yield => false,
    })
}

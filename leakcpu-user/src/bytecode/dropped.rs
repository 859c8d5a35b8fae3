//! Calls whose result is dropped at once.

use super::{Analysis, Loop, MissingKind, Op, dataflow::facts, flow::is_call};

impl Analysis<'_> {
    /// What the call is called whose result the instruction at an offset drops: `mailer.confirm`;
    /// `None` if it drops no call's, or that has no name.
    pub fn dropped_call(&self, offset: u32) -> Option<String> {
        let index = self.index_at(offset)?;
        let instructions = self.instructions();
        let before = index.checked_sub(1)?;
        let call = &instructions[before];
        if instructions[index].op != Op::PopTop || !is_call(call.op) || self.is_jumped_to(index) {
            return None;
        }
        let whole = Loop::whole(instructions, self.blocks());
        let facts = facts(self.code(), instructions, self.blocks(), &whole).ok()?;
        let named = facts.blocks.values().find_map(|of| {
            let effects = of.effects.iter();
            let mut effects = effects.chain(of.edge_effects.iter().map(|(_, effect)| effect));
            let mut missing = of.missing.iter();
            let is_callee = |kind| kind == MissingKind::Callee;
            effects
                .find(|one| one.offset == call.offset)
                .map(|one| &one.name)
                .or_else(|| {
                    let one = missing.find(|one| one.offset == call.offset && is_callee(one.kind));
                    one.map(|one| &one.name)
                })
                .or_else(|| {
                    let one = of.calls.iter().find(|one| one.offset == call.offset);
                    one.map(|one| &one.name)
                })
        });
        // A value without a name is a question mark in it.
        let is_whole = |name: &&String| !name.is_empty() && !name.contains('?');
        named.filter(is_whole).cloned()
    }
}

//! Which method a call is of.

use super::{Analysis, action::Action, flow::is_call, lower::lower, lower::stack_effect};

impl Analysis<'_> {
    /// The name of the method, or other attribute, that the call at an offset calls: `get` in
    /// `self.jobs.get(timeout=1)`. `None` if it calls something else, or its arguments have
    /// branches.
    pub fn method_called(&self, offset: u32) -> Option<&str> {
        let call = self.index_at(offset)?;
        let instruction = self.instructions().get(call)?;
        if !is_call(instruction.op) {
            return None;
        }
        let depths = self.depths();
        // The result is where the object was whose method it is.
        let effect = stack_effect(self.minor(), instruction, false)?;
        let object = i64::from(depths.get(call).copied().flatten()?) + effect;
        let first = (0..=call).rev().find(|index| self.begins_block(*index))?;
        let attribute = (first..call).rev().find_map(|index| {
            let depth = depths.get(index).copied().flatten()?;
            match lower(self.minor(), &self.instructions()[index])[0]? {
                Action::Attribute { name, .. } if i64::from(depth) == object => Some(name),
                _ => None,
            }
        })?;
        self.code().name(attribute)
    }
}

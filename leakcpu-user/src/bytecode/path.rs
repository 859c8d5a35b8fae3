//! How the program names a value: `self.queue.empty`.

use std::rc::Rc;

/// Longest path that is kept, in bytes; a longer one is no name any more.
const MAX_PATH_BYTES: usize = 200;

/// Names with dots between them; `?` where a value has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(Rc<str>);

impl Path {
    pub(super) fn new(name: &str) -> Option<Self> {
        let is_name = !name.is_empty() && name.len() <= MAX_PATH_BYTES;
        is_name.then(|| Self(name.into()))
    }

    /// An attribute of a value.
    pub(super) fn attribute(of: Option<&Self>, name: &str) -> Option<Self> {
        let of = of.map_or("?", |path| &*path.0);
        Self::new(&format!("{of}.{name}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The last name of what a path leads to: `lock` of `self.lock`.
pub(super) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

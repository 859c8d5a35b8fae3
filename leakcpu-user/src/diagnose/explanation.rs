//! What a rule tells of itself to whoever asks (`pyobserve rules ID`).

/// A rule in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What its users notice.
    pub symptom: &'static str,
    /// What it rests on.
    pub evidence: &'static str,
    /// What has to be there for it to say anything.
    pub needs: &'static str,
    /// What to do, with the caveat that matters.
    pub fix: &'static str,
    /// A program that is slow for this reason.
    pub slow: &'static str,
    /// The same, mended.
    pub fixed: &'static str,
}

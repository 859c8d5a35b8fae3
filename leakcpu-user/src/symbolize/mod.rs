//! Names for frames, or why there is none.

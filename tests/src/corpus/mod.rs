//! The corpus: programs whose right verdict was written down beforehand, and how what
//! pyobserve says of them is compared with that and with their own clocks.
//! docs/corpus.md says what the parts are.

pub mod judge;
pub mod labels;
pub mod noise;
pub mod others;
pub mod program;
pub mod rest;
pub mod row;
pub mod run;
pub mod truth;

use pyobserve::classify as class;

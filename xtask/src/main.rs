//! `cargo xtask`: set-up, build, test and benches of pyobserve.

fn main() {}

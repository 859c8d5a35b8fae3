//! What the fuzz targets feed: the very functions that the ordinary tests of leakcpu-user
//! feed from the same corpus.

#[path = "../../leakcpu-user/tests/hostile/image.rs"]
pub mod image;
#[path = "../../leakcpu-user/tests/hostile/layouts.rs"]
pub mod layouts;
#[path = "../../leakcpu-user/tests/hostile/sample.rs"]
pub mod sample;
#[path = "../../leakcpu-user/tests/hostile/targets.rs"]
pub mod targets;

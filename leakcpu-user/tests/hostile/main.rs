//! Hostile files and memory: what a target says is read with bounds, or refused.

mod claims;
mod image;
mod images;
mod layouts;
mod mutated;
mod sample;
mod targets;

//! What the garbage collector did.

use serde::Serialize;

use super::verdict::rounded;
use crate::model::{CollectionsAt, Collector, Pauses, Process};

/// Places that are written at most.
const PLACES: usize = 20;

#[derive(Clone, Debug, Serialize)]
pub(super) struct CollectorDto {
    #[serde(flatten)]
    pauses: PausesDto,
    share: f64,
    heard_ns: Option<u64>,
    generations: Vec<GenerationDto>,
    places: Vec<PlaceDto>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PausesDto {
    collections: u64,
    total_ns: u64,
    on_cpu_ns: u64,
    max_ns: u64,
    collected_objects: u64,
}

#[derive(Clone, Debug, Serialize)]
struct GenerationDto {
    generation: Option<u32>,
    #[serde(flatten)]
    pauses: PausesDto,
}

#[derive(Clone, Debug, Serialize)]
struct PlaceDto {
    tid: u32,
    generation: Option<u32>,
    function: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    #[serde(flatten)]
    pauses: PausesDto,
}

impl CollectorDto {
    pub(super) fn new(process: &Process, collector: &Collector) -> Self {
        let pauses = collector.pauses();
        let generations = collector.by_generation();
        let places = collector.collections.iter().take(PLACES);
        Self {
            share: rounded(process.collector_share().unwrap_or(0.0)),
            heard_ns: collector.heard_ns,
            pauses: pauses.into(),
            generations: generations
                .into_iter()
                .map(|(generation, pauses)| GenerationDto {
                    generation,
                    pauses: pauses.into(),
                })
                .collect(),
            places: places.map(|one| PlaceDto::new(process, one)).collect(),
        }
    }
}

impl PlaceDto {
    fn new(process: &Process, one: &CollectionsAt) -> Self {
        let frame = process.own_frame(process.stack(one.stack));
        let function = frame.and_then(|frame| process.function(frame.function?));
        Self {
            tid: one.tid.0,
            generation: one.generation,
            function: function.map(|function| function.name.clone()),
            file: function.map(|function| function.file.clone()),
            line: frame.and_then(|frame| frame.line),
            pauses: one.pauses.into(),
        }
    }
}

impl From<Pauses> for PausesDto {
    fn from(pauses: Pauses) -> Self {
        Self {
            collections: pauses.count,
            total_ns: pauses.total_ns,
            on_cpu_ns: pauses.on_cpu_ns,
            max_ns: pauses.max_ns,
            collected_objects: pauses.collected,
        }
    }
}

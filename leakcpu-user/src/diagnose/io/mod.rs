//! What is waited for needlessly.

mod asked_in_loop;
mod blocking_disk;
mod child_wait;
mod connection_reuse;
mod databases;
mod dns;
mod http;
mod n_plus_one;
mod sequential_requests;
mod swap;
mod tiny_writes;
mod waited;

pub(super) use blocking_disk::BlockingDisk;
pub(super) use child_wait::ChildWait;
pub(super) use connection_reuse::ConnectionReuse;
pub(super) use dns::Dns;
pub(super) use n_plus_one::NPlusOne;
pub(super) use sequential_requests::SequentialRequests;
pub(super) use swap::Swap;
pub(super) use tiny_writes::TinyWrites;

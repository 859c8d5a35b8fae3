//! Draining maps and rings: decoding, ordering, loss.

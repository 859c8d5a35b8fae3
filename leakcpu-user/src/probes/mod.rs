//! Every load and attach; kernel features as data with a reason when one is missing.

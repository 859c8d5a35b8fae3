//! States of time to classes with confidence: pure, thresholds in one documented struct.

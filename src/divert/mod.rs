//! The installation engine.

//! Conversion on real lakes: the shared corpus, generated trails, faults, S3. One binary, no engine.

mod corpus;
mod deliveries;
mod incremental;
mod operating;
mod s3;
mod support;
mod writers;

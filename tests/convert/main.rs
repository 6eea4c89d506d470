//! Conversion on real lakes: the shared corpus, generated trails, faults, S3. One binary, no engine.

mod corpus;
mod deliveries;
mod incremental;
mod integrity;
mod integrity_s3;
mod kills;
mod operating;
mod orders;
mod s3;
mod s3_faults;
mod support;
mod writers;

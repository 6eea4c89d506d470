//! Everything keytrail is tested and shown with: seeded trails, hand-made fixtures, an S3 server, a naive oracle.
//!
//! It depends on no other keytrail crate, so that what it says can contradict them. It is for tests, benchmarks and the demo:
//! nothing of it may stand on the way of a user's data.

pub mod digests;
pub mod fixtures;
pub mod oracle;
pub mod s3;
pub mod trail;

//! Everything keytrail is tested with: seeded trails, hand-made fixtures, chains of digest files, an S3 server, a naive oracle.
//!
//! It depends on no other keytrail crate but the generator of trails, so that what it says can contradict them. It is for tests and
//! benchmarks only: no crate that is shipped links it.

pub mod corpus;
pub mod digests;
pub mod fixtures;
pub mod oracle;
pub mod s3;

pub use keytrail_trail as trail;

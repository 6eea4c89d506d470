//! A seeded, realistic CloudTrail trail: the same configuration gives the same bytes, on any number of threads.
//!
//! ```text
//! TrailConfig ─▶ World (accounts, keys, principals) ─▶ Plan (files and what stands in them)
//!                                └──── recipes: kms, cross_account, other, story ────▶ Draft ─▶ text ─▶ gzip ─▶ tree or iterator
//! ```
//!
//! It follows what is known of real logs and claims nothing about AWS beyond that; digest files carry no signature.

mod config;
mod contexts;
mod cross_account;
mod draft;
mod identity;
mod json;
mod kms;
mod lives;
mod other;
mod plan;
mod random;
mod scene;
mod side;
mod story;
mod world;
mod write;

pub use config::{GeneratedFile, GeneratedKind, TrailConfig, TrailFacts, TrailSummary};
pub use write::{generate, generate_files, summarize};

//! Signatures that were given beside the logs: what `aws s3api head-object` prints of digest files.
//!
//! That output does not name its object. A file that is called like the digest file is about it; any other is tried with the digest
//! files that have no signature, as a signature fits one of them only.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::digest::Digest;
use super::documents;
use super::keys::PublicKey;
use crate::error::ConvertError;

/// What was given.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenSignatures(Vec<Given>);

#[derive(Debug, Clone)]
struct Given {
    /// The name of its file.
    file_name: String,
    signature: String,
}

impl GivenSignatures {
    /// Reads files, and the `.json` files of folders.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, ConvertError> {
        let given = documents::read(paths)?.into_iter().map(|(path, document)| {
            let metadata = document.get("Metadata").and_then(|metadata| metadata.get("signature"));
            match metadata.and_then(Value::as_str) {
                Some(signature) => Ok(Given { file_name: name_of(&path), signature: signature.to_owned() }),
                None => {
                    let reason = "no `Metadata.signature`: not the output of `aws s3api head-object` for a digest file";
                    Err(ConvertError::NotTaken { path, reason: reason.to_owned() })
                }
            }
        });
        Ok(Self(given.collect::<Result<_, _>>()?))
    }

    /// The signature whose file is called like the digest file.
    pub(super) fn named(&self, digest: &Digest) -> Option<&str> {
        let name = digest.name.key.rsplit('/').next()?;
        let stem = name.split_once(".json").map_or(name, |(stem, _)| stem);
        let is_like = |given: &&Given| {
            given.file_name.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.iter().find(is_like).map(|given| given.signature.as_str())
    }

    /// Whether any signature fits.
    pub(super) fn fits(&self, digest: &Digest, key: &PublicKey) -> bool {
        let text = digest.string_to_sign();
        self.0.iter().any(|given| key.verifies(&text, &given.signature))
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

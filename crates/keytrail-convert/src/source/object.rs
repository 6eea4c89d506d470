//! What S3 keeps beside an object's bytes, and objects that no listing gave.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Attribute, ObjectStoreExt};

use super::{Content, LogFile, Unread};

impl LogFile {
    /// Reads an object of S3, with the value of one member of its metadata; `None` when it is not there.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn fetch_with_metadata(
        &self,
        member: &'static str,
    ) -> Result<Option<(Bytes, Option<String>)>, Unread> {
        let Content::Object(store, path) = &self.content else { return Ok(Some((self.read_now()?, None))) };
        let got = match store.get(path).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            got => got?,
        };
        let value = got.attributes.get(&Attribute::Metadata(member.into())).map(|value| value.as_ref().to_owned());
        Ok(Some((got.bytes().await?, value)))
    }

    /// The object of that key in the same bucket, which need not be there; `None` for what does not lie on S3.
    pub(crate) fn object_at(&self, key: &str) -> Option<Self> {
        let Content::Object(store, _) = &self.content else { return None };
        let (bucket, _) = self.path.strip_prefix("s3://")?.split_once('/')?;
        let content = Content::Object(store.clone(), Path::parse(key).ok()?);
        Some(Self::new(format!("s3://{bucket}/{key}"), String::new(), 0, None, content))
    }
}

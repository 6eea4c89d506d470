//! The bucket's content: objects sorted by key, and uploads under way.
//!
//! It knows no HTTP and no locks: whoever holds it has it alone, which is what makes conditional writes atomic.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use sha2::{Digest, Sha256};

/// An object.
#[derive(Debug, Clone)]
pub(super) struct StoredObject {
    pub(super) bytes: Bytes,
    pub(super) e_tag: String,
    pub(super) modified: SystemTime,
    /// What the user keeps beside the bytes.
    pub(super) metadata: HashMap<String, String>,
}

/// Why something cannot be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    NoSuchKey,
    NoSuchUpload,
    InvalidPart,
}

/// Everything in the bucket.
#[derive(Debug, Default)]
pub(super) struct Objects {
    objects: BTreeMap<String, StoredObject>,
    uploads: BTreeMap<String, BTreeMap<i32, Part>>,
    upload_count: u64,
}

#[derive(Debug, Clone)]
struct Part {
    bytes: Bytes,
    e_tag: String,
}

/// What a listing asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListQuery<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: Option<&'a str>,
    pub(super) start: Start<'a>,
    pub(super) limit: usize,
}

/// Where a listing begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    Beginning,
    /// Behind this key, which need not exist.
    After(&'a str),
    /// Where another page ended.
    Token(&'a str),
}

/// An entry of a listing.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Object(String, StoredObject),
    /// All keys with this beginning, which ends with the delimiter.
    Prefix(String),
}

/// A part of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Where the next page begins; `None` = this is the last.
    pub(super) next: Option<String>,
}

impl Objects {
    /// Writes an object and returns its ETag.
    pub(super) fn put(&mut self, key: &str, bytes: Bytes) -> String {
        let e_tag = e_tag_of(&bytes);
        self.put_tagged(key, bytes, e_tag)
    }

    /// Sets a member of an object's metadata; an object that is not there has none.
    pub(super) fn set_metadata(&mut self, key: &str, member: &str, value: &str) {
        if let Some(object) = self.objects.get_mut(key) {
            object.metadata.insert(member.to_owned(), value.to_owned());
        }
    }

    fn put_tagged(&mut self, key: &str, bytes: Bytes, e_tag: String) -> String {
        let (modified, metadata) = (now(), HashMap::new());
        let object = StoredObject { bytes, e_tag: e_tag.clone(), modified, metadata };
        self.objects.insert(key.to_owned(), object);
        e_tag
    }

    pub(super) fn get(&self, key: &str) -> Option<&StoredObject> {
        self.objects.get(key)
    }

    pub(super) fn delete(&mut self, key: &str) {
        self.objects.remove(key);
    }

    pub(super) fn keys(&self, prefix: &str) -> Vec<String> {
        self.after(Bound::Included(prefix))
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    }

    pub(super) fn copy(&mut self, from: &str, to: &str) -> Result<StoredObject, Refusal> {
        let source = self.objects.get(from).ok_or(Refusal::NoSuchKey)?;
        let copy = StoredObject { modified: now(), ..source.clone() };
        self.objects.insert(to.to_owned(), copy.clone());
        Ok(copy)
    }

    pub(super) fn begin_upload(&mut self) -> String {
        self.upload_count += 1;
        let id = format!("upload-{}", self.upload_count);
        self.uploads.insert(id.clone(), BTreeMap::new());
        id
    }

    /// Takes a part, which replaces an earlier one of its number, and returns its ETag.
    pub(super) fn put_part(&mut self, upload_id: &str, number: i32, bytes: Bytes) -> Result<String, Refusal> {
        let parts = self.uploads.get_mut(upload_id).ok_or(Refusal::NoSuchUpload)?;
        let e_tag = e_tag_of(&bytes);
        parts.insert(number, Part { bytes, e_tag: e_tag.clone() });
        Ok(e_tag)
    }

    /// Joins the named parts to an object and returns its ETag.
    pub(super) fn complete_upload(
        &mut self,
        upload_id: &str,
        key: &str,
        named: &[(i32, String)],
    ) -> Result<String, Refusal> {
        let parts = self.uploads.get(upload_id).ok_or(Refusal::NoSuchUpload)?;
        let mut bytes = BytesMut::new();
        for (number, e_tag) in named {
            let part = parts.get(number).filter(|part| part.e_tag == *e_tag).ok_or(Refusal::InvalidPart)?;
            bytes.extend_from_slice(&part.bytes);
        }
        self.uploads.remove(upload_id);
        let e_tag = format!("{}-{}", e_tag_of(&bytes), named.len());
        Ok(self.put_tagged(key, bytes.freeze(), e_tag))
    }

    pub(super) fn abort_upload(&mut self, upload_id: &str) -> Result<(), Refusal> {
        self.uploads.remove(upload_id).map(|_parts| ()).ok_or(Refusal::NoSuchUpload)
    }

    fn after(&self, bound: Bound<&str>) -> impl Iterator<Item = (&String, &StoredObject)> {
        self.objects.range::<str, _>((bound, Bound::Unbounded))
    }

    /// One page, its entries sorted.
    pub(super) fn page(&self, query: &ListQuery<'_>) -> Page {
        let (first, done_prefix) = query.start.resolve();
        let bound = if first >= query.prefix && !first.is_empty() {
            Bound::Excluded(first)
        } else {
            Bound::Included(query.prefix)
        };
        let mut page = Page::default();
        for (key, object) in self.after(bound).take_while(|(key, _)| key.starts_with(query.prefix)) {
            if done_prefix.is_some_and(|prefix| key.starts_with(prefix)) || page.covers(key) {
                continue;
            }
            if page.entries.len() >= query.limit {
                page.next = page.entries.last().map(Entry::token);
                break;
            }
            page.entries.push(query.entry(key, object));
        }
        page
    }
}

impl<'a> Start<'a> {
    /// The key behind which the page begins (empty = none), and a beginning of keys that an earlier page stands for.
    fn resolve(self) -> (&'a str, Option<&'a str>) {
        match self {
            Self::Beginning => ("", None),
            Self::After(key) => (key, None),
            Self::Token(token) => match token.strip_prefix("prefix:") {
                Some(prefix) => (prefix, Some(prefix)),
                None => (token.strip_prefix("key:").unwrap_or(token), None),
            },
        }
    }
}

impl ListQuery<'_> {
    fn entry(&self, key: &str, object: &StoredObject) -> Entry {
        let delimiter = self.delimiter.filter(|delimiter| !delimiter.is_empty());
        let end = delimiter.and_then(|delimiter| {
            key[self.prefix.len()..].find(delimiter).map(|at| self.prefix.len() + at + delimiter.len())
        });
        match end {
            Some(end) => Entry::Prefix(key[..end].to_owned()),
            None => Entry::Object(key.to_owned(), object.clone()),
        }
    }
}

impl Page {
    /// Whether the page's last entry stands for the key already.
    fn covers(&self, key: &str) -> bool {
        matches!(self.entries.last(), Some(Entry::Prefix(prefix)) if key.starts_with(prefix))
    }
}

impl Entry {
    fn token(&self) -> String {
        match self {
            Self::Object(key, _) => format!("key:{key}"),
            Self::Prefix(prefix) => format!("prefix:{prefix}"),
        }
    }
}

/// Equal bytes have equal ETags, as on S3; that it is no MD5 nobody may rely on.
fn e_tag_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[expect(clippy::disallowed_methods, reason = "a server tells when an object came")]
fn now() -> SystemTime {
    SystemTime::now()
}

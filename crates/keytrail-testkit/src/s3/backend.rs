//! The service trait over the bucket: each request is counted, meets its fault, and then has the bucket alone.
//!
//! It reads and writes no wire format: `s3s` does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::fault::{Fault, Operation, S3Call, archived, error_with, expired_token};
use super::line::break_off;
use super::objects::{Entry, ListQuery, Objects, Refusal, Start, StoredObject};

/// S3's own limit of a listing's page.
const PAGE_ENTRIES: usize = 1_000;

type Hook = Arc<dyn Fn(&S3Call) -> Fault + Send + Sync>;

/// What the server's handle and its requests share.
pub(super) struct Shared {
    pub(super) bucket: String,
    objects: Mutex<Objects>,
    calls: Mutex<Vec<S3Call>>,
    hook: RwLock<Option<Hook>>,
    page_entries: AtomicUsize,
}

impl Shared {
    pub(super) fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            objects: Mutex::default(),
            calls: Mutex::default(),
            hook: RwLock::default(),
            page_entries: AtomicUsize::new(PAGE_ENTRIES),
        }
    }

    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn calls(&self) -> MutexGuard<'_, Vec<S3Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_hook(&self, hook: Option<Hook>) {
        *self.hook.write().unwrap_or_else(PoisonError::into_inner) = hook;
    }

    pub(super) fn limit_pages(&self, entries: usize) {
        self.page_entries.store(entries.clamp(1, PAGE_ENTRIES), Ordering::Relaxed);
    }

    /// Counts a request and asks what shall happen to it.
    fn fault_of(&self, operation: Operation, key: &str, is_create: bool) -> Fault {
        let call = {
            let mut calls = self.calls();
            let earlier = calls.iter().filter(|call| call.operation == operation).count();
            let call = S3Call { operation, key: key.to_owned(), is_create, earlier };
            calls.push(call.clone());
            call
        };
        let hook = self.hook.read().unwrap_or_else(PoisonError::into_inner).clone();
        hook.map_or(Fault::None, |decide| decide(&call))
    }
}

/// Whether a request's conditions count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conditions {
    Kept,
    Ignored,
}

/// The service.
pub(super) struct Backend {
    shared: Arc<Shared>,
}

/// A request as far as every operation has it.
struct Asked<'a> {
    operation: Operation,
    bucket: &'a str,
    key: &'a str,
    is_create: bool,
}

impl<'a> Asked<'a> {
    fn new(operation: Operation, bucket: &'a str, key: &'a str) -> Self {
        Self { operation, bucket, key, is_create: false }
    }

    fn creating(self, if_none_match: Option<&ETagCondition>) -> Self {
        Self { is_create: if_none_match.is_some_and(ETagCondition::is_any), ..self }
    }
}

impl Backend {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs `apply` on the bucket, unless a fault forbids, and answers with what it gives, unless a fault hides that.
    async fn answer<T>(
        &self,
        asked: Asked<'_>,
        apply: impl FnOnce(&mut Objects, Conditions) -> S3Result<T> + Send,
    ) -> S3Result<S3Response<T>> {
        let fault = self.fault_of(&asked);
        self.answer_with(fault, asked, apply).await
    }

    fn fault_of(&self, asked: &Asked<'_>) -> Fault {
        self.shared.fault_of(asked.operation, asked.key, asked.is_create)
    }

    async fn answer_with<T>(
        &self,
        fault: Fault,
        asked: Asked<'_>,
        apply: impl FnOnce(&mut Objects, Conditions) -> S3Result<T> + Send,
    ) -> S3Result<S3Response<T>> {
        match fault {
            Fault::Refuse(status) => return Err(error_with(status)),
            Fault::Conflict => return Err(error_with(409)),
            Fault::Delay(time) => tokio::time::sleep(time).await,
            Fault::ExpireToken => return Err(expired_token()),
            Fault::Archived => return Err(archived()),
            Fault::Reset => match break_off().await {},
            Fault::None
            | Fault::LoseReply(_)
            | Fault::IgnoreConditions
            | Fault::CutBody(_)
            | Fault::Drip(..)
            | Fault::ResetAfter => {}
        }
        if asked.bucket != self.shared.bucket {
            return Err(s3_error!(NoSuchBucket));
        }
        let conditions = if fault == Fault::IgnoreConditions { Conditions::Ignored } else { Conditions::Kept };
        let applied = apply(&mut self.shared.objects(), conditions);
        match fault {
            Fault::LoseReply(status) => Err(error_with(status)),
            Fault::ResetAfter => match break_off().await {},
            _ => applied.map(S3Response::new),
        }
    }

    fn page_entries(&self, asked: Option<i32>) -> usize {
        let limit = self.shared.page_entries.load(Ordering::Relaxed);
        asked.and_then(|asked| usize::try_from(asked).ok()).map_or(limit, |asked| asked.min(limit))
    }
}

/// A request's body, whole.
async fn bytes_of(body: Option<StreamingBlob>) -> S3Result<Bytes> {
    let Some(body) = body else { return Ok(Bytes::new()) };
    let collected = body.try_fold(BytesMut::new(), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    // What does not arrive as announced or signed is not stored.
    collected.await.map(BytesMut::freeze).map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))
}

fn refused(refusal: Refusal) -> S3Error {
    match refusal {
        Refusal::NoSuchKey => s3_error!(NoSuchKey),
        Refusal::NoSuchUpload => s3_error!(NoSuchUpload),
        Refusal::InvalidPart => s3_error!(InvalidPart),
    }
}

/// Checks the conditions of a write against what is there.
fn check_write(
    existing: Option<&StoredObject>,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is_forbidden = if_none_match.is_some_and(|condition| existing.is_some_and(|object| matches(object, condition)));
    let is_missing = if_match.is_some_and(|condition| !existing.is_some_and(|object| matches(object, condition)));
    match is_forbidden || is_missing {
        true => Err(s3_error!(PreconditionFailed)),
        false => Ok(()),
    }
}

fn matches(object: &StoredObject, condition: &ETagCondition) -> bool {
    condition.is_any() || condition.as_etag().is_some_and(|e_tag| e_tag.value() == object.e_tag)
}

/// The object that a read asks for, when its conditions allow.
fn readable<'a>(
    objects: &'a Objects,
    key: &str,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<&'a StoredObject> {
    let object = objects.get(key).ok_or_else(|| s3_error!(NoSuchKey))?;
    if if_match.is_some_and(|condition| !matches(object, condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(|condition| matches(object, condition)) {
        return Err(s3_error!(NotModified));
    }
    Ok(object)
}

fn length_of(bytes: &Bytes) -> Option<i64> {
    i64::try_from(bytes.len()).ok()
}

fn strong(e_tag: String) -> Option<ETag> {
    Some(ETag::Strong(e_tag))
}

/// A part of the object's bytes, and how the answer names it.
fn slice(bytes: &Bytes, range: Range) -> S3Result<(Bytes, String)> {
    let full = bytes.len() as u64;
    let range = range.check(full).map_err(|error| s3_error!(error, InvalidRange))?;
    let bound = |at: u64| usize::try_from(at).map_err(|error| s3_error!(error, InvalidRange));
    let part = bytes.slice(bound(range.start)?..bound(range.end)?);
    Ok((part, format!("bytes {}-{}/{full}", range.start, range.end - 1)))
}

fn body_of(bytes: Bytes) -> StreamingBlob {
    StreamingBlob::from(s3s::Body::from(bytes))
}

/// The first bytes of a body, and then a broken connection.
async fn cut(body: Option<StreamingBlob>, length: usize) -> S3Result<StreamingBlob> {
    let mut bytes = bytes_of(body).await?;
    bytes.truncate(length);
    let broken = std::io::Error::other("an injected fault");
    Ok(StreamingBlob::wrap(futures::stream::iter([Ok(bytes), Err(broken)])))
}

/// The body in small pieces, each after a pause.
async fn drip(body: Option<StreamingBlob>, piece: usize, pause: Duration) -> S3Result<StreamingBlob> {
    let bytes = bytes_of(body).await?;
    let pieces = futures::stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(piece.clamp(1, rest.len()));
        Some((Ok::<_, std::io::Error>(next), rest))
    });
    Ok(StreamingBlob::wrap(pieces))
}

fn listed(key: String, object: StoredObject) -> Object {
    Object {
        key: Some(key),
        size: length_of(&object.bytes),
        e_tag: strong(object.e_tag),
        last_modified: Some(object.modified.into()),
        ..Object::default()
    }
}

#[async_trait::async_trait]
impl S3 for Backend {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let bytes = bytes_of(input.body).await?;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        let asked = Asked::new(Operation::Put, &input.bucket, &input.key).creating(if_none_match);
        let apply = |objects: &mut Objects, conditions| {
            if conditions == Conditions::Kept {
                check_write(objects.get(&input.key), if_match, if_none_match)?;
            }
            Ok(PutObjectOutput { e_tag: strong(objects.put(&input.key, bytes)), ..PutObjectOutput::default() })
        };
        self.answer(asked, apply).await
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let apply = |objects: &mut Objects, _conditions| {
            let object = readable(objects, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
            let (bytes, content_range) = match input.range {
                Some(range) => slice(&object.bytes, range).map(|(bytes, name)| (bytes, Some(name)))?,
                None => (object.bytes.clone(), None),
            };
            Ok(GetObjectOutput {
                content_length: length_of(&bytes),
                body: Some(body_of(bytes)),
                content_range,
                accept_ranges: Some("bytes".to_owned()),
                e_tag: strong(object.e_tag.clone()),
                last_modified: Some(object.modified.into()),
                metadata: Some(object.metadata.clone()),
                ..GetObjectOutput::default()
            })
        };
        let asked = Asked::new(Operation::Get, &input.bucket, &input.key);
        let fault = self.fault_of(&asked);
        let mut response = self.answer_with(fault, asked, apply).await?;
        let body = &mut response.output.body;
        match fault {
            Fault::CutBody(length) => *body = Some(cut(body.take(), length).await?),
            Fault::Drip(piece, pause) => *body = Some(drip(body.take(), piece, pause).await?),
            _ => {}
        }
        Ok(response)
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let apply = |objects: &mut Objects, _conditions| {
            let object = readable(objects, &input.key, input.if_match.as_ref(), input.if_none_match.as_ref())?;
            Ok(HeadObjectOutput {
                content_length: length_of(&object.bytes),
                accept_ranges: Some("bytes".to_owned()),
                e_tag: strong(object.e_tag.clone()),
                last_modified: Some(object.modified.into()),
                metadata: Some(object.metadata.clone()),
                ..HeadObjectOutput::default()
            })
        };
        self.answer(Asked::new(Operation::Head, &input.bucket, &input.key), apply).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let limit = self.page_entries(input.max_keys);
        let start = match (&input.continuation_token, &input.start_after) {
            (Some(token), _) => Start::Token(token),
            (None, Some(key)) => Start::After(key),
            (None, None) => Start::Beginning,
        };
        let query = ListQuery { prefix: &prefix, delimiter: input.delimiter.as_deref(), start, limit };
        let asked = Asked::new(Operation::List, &input.bucket, &prefix);
        let answer = self.answer(asked, |objects, _conditions| Ok(objects.page(&query))).await?;
        Ok(S3Response::new(listing(answer.output, &input.bucket, &prefix, limit, input.delimiter.clone())))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let apply = |objects: &mut Objects, _conditions| {
            objects.delete(&input.key);
            Ok(DeleteObjectOutput::default())
        };
        self.answer(Asked::new(Operation::Delete, &input.bucket, &input.key), apply).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let keys: Vec<String> = input.delete.objects.into_iter().map(|object| object.key).collect();
        let first = keys.first().cloned().unwrap_or_default();
        let apply = |objects: &mut Objects, _conditions| {
            keys.iter().for_each(|key| objects.delete(key));
            let deleted = |key| DeletedObject { key: Some(key), ..DeletedObject::default() };
            let deleted = keys.into_iter().map(deleted).collect();
            Ok(DeleteObjectsOutput { deleted: Some(deleted), ..DeleteObjectsOutput::default() })
        };
        self.answer(Asked::new(Operation::Delete, &input.bucket, &first), apply).await
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket, key: source, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "only copies within the bucket"));
        };
        if **bucket != input.bucket {
            return Err(s3_error!(NoSuchBucket));
        }
        let apply = |objects: &mut Objects, _conditions| {
            let copy = objects.copy(source, &input.key).map_err(refused)?;
            let result = CopyObjectResult {
                e_tag: strong(copy.e_tag),
                last_modified: Some(copy.modified.into()),
                ..CopyObjectResult::default()
            };
            Ok(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() })
        };
        self.answer(Asked::new(Operation::Copy, &input.bucket, &input.key), apply).await
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let apply = |objects: &mut Objects, _conditions| {
            Ok(CreateMultipartUploadOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                upload_id: Some(objects.begin_upload()),
                ..CreateMultipartUploadOutput::default()
            })
        };
        self.answer(Asked::new(Operation::CreateUpload, &input.bucket, &input.key), apply).await
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let bytes = bytes_of(input.body).await?;
        let apply = |objects: &mut Objects, _conditions| {
            let e_tag = objects.put_part(&input.upload_id, input.part_number, bytes).map_err(refused)?;
            Ok(UploadPartOutput { e_tag: strong(e_tag), ..UploadPartOutput::default() })
        };
        self.answer(Asked::new(Operation::UploadPart, &input.bucket, &input.key), apply).await
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let (if_match, if_none_match) = (input.if_match.as_ref(), input.if_none_match.as_ref());
        let named = named_parts(input.multipart_upload)?;
        let asked = Asked::new(Operation::CompleteUpload, &input.bucket, &input.key).creating(if_none_match);
        let apply = |objects: &mut Objects, conditions| {
            if conditions == Conditions::Kept {
                check_write(objects.get(&input.key), if_match, if_none_match)?;
            }
            let e_tag = objects.complete_upload(&input.upload_id, &input.key, &named).map_err(refused)?;
            Ok(CompleteMultipartUploadOutput {
                bucket: Some(input.bucket.clone()),
                key: Some(input.key.clone()),
                e_tag: strong(e_tag),
                ..CompleteMultipartUploadOutput::default()
            })
        };
        self.answer(asked, apply).await
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        let apply = |objects: &mut Objects, _conditions| {
            objects.abort_upload(&input.upload_id).map_err(refused)?;
            Ok(AbortMultipartUploadOutput::default())
        };
        self.answer(Asked::new(Operation::AbortUpload, &input.bucket, &input.key), apply).await
    }
}

/// The numbers and ETags of the parts that an object shall have, which must ascend.
fn named_parts(upload: Option<CompletedMultipartUpload>) -> S3Result<Vec<(i32, String)>> {
    let parts = upload.and_then(|upload| upload.parts).unwrap_or_default();
    let named: Option<Vec<_>> =
        parts.into_iter().map(|part| Some((part.part_number?, part.e_tag?.into_value()))).collect();
    let named = named.ok_or_else(|| s3_error!(InvalidPart))?;
    match named.is_sorted_by(|left, right| left.0 < right.0) {
        true => Ok(named),
        false => Err(s3_error!(InvalidPartOrder)),
    }
}

/// A page as S3 tells it.
fn listing(
    page: super::objects::Page,
    bucket: &str,
    prefix: &str,
    limit: usize,
    delimiter: Option<String>,
) -> ListObjectsV2Output {
    let key_count = i32::try_from(page.entries.len()).ok();
    let (mut contents, mut common_prefixes) = (Vec::new(), Vec::new());
    for entry in page.entries {
        match entry {
            Entry::Object(key, object) => contents.push(listed(key, object)),
            Entry::Prefix(prefix) => common_prefixes.push(CommonPrefix { prefix: Some(prefix) }),
        }
    }
    ListObjectsV2Output {
        name: Some(bucket.to_owned()),
        prefix: Some(prefix.to_owned()),
        max_keys: i32::try_from(limit).ok(),
        key_count,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter,
        ..ListObjectsV2Output::default()
    }
}

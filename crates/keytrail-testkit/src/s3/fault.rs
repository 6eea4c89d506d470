//! What a request is for the fault hook and the counters, and what can happen to it.
//!
//! It decides nothing: a test's closure does.

use std::time::Duration;

use s3s::{S3Error, S3ErrorCode};

/// The kinds of request that the server knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// Writes a whole object.
    Put,
    /// Reads an object or a range of it.
    Get,
    /// Asks for an object's size and ETag.
    Head,
    /// Asks for one page of a listing.
    List,
    /// Deletes one object, or several in one request.
    Delete,
    /// Copies an object within the bucket.
    Copy,
    /// Begins a multipart upload.
    CreateUpload,
    /// Sends one part of a multipart upload.
    UploadPart,
    /// Makes the object of a multipart upload.
    CompleteUpload,
    /// Gives a multipart upload up.
    AbortUpload,
}

/// One request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Call {
    /// What is asked.
    pub operation: Operation,
    /// The object's key; of a listing, its prefix; of a delete of several objects, the first key.
    pub key: String,
    /// Whether it creates an object only where there is none (`If-None-Match: *`).
    pub is_create: bool,
    /// How many requests of the same operation came before, since the start or the last reset of the counters.
    pub earlier: usize,
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing special.
    None,
    /// It fails with this HTTP status and has no effect.
    Refuse(u16),
    /// It has its effect, and yet the answer is this HTTP status.
    LoseReply(u16),
    /// A conditional write meets another one: 409, and there is no object.
    Conflict,
    /// Its conditions are ignored, as some servers do.
    IgnoreConditions,
    /// It is served after this time.
    Delay(Duration),
    /// A read announces its full length, and the connection breaks after so many bytes.
    CutBody(usize),
    /// The connection is reset and there is no answer; the request has no effect.
    Reset,
    /// The connection is reset and there is no answer, but the request has its effect.
    ResetAfter,
    /// A read's body comes in pieces of so many bytes, each after this time.
    Drip(usize, Duration),
    /// The credentials count as expired: 400, and no effect.
    ExpireToken,
    /// The object counts as archived: 403 with its own code, and no effect.
    Archived,
}

/// The error of credentials that were good once.
pub(super) fn expired_token() -> S3Error {
    S3Error::with_message(S3ErrorCode::ExpiredToken, "an injected fault: the provided token has expired")
}

/// The error of a read of an object that must be restored first.
pub(super) fn archived() -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidObjectState, "an injected fault: the object's class does not allow it")
}

/// The error that S3 gives with a status.
pub(super) fn error_with(status: u16) -> S3Error {
    let code = match status {
        503 => S3ErrorCode::SlowDown,
        409 => S3ErrorCode::ConditionalRequestConflict,
        412 => S3ErrorCode::PreconditionFailed,
        403 => S3ErrorCode::AccessDenied,
        404 => S3ErrorCode::NoSuchKey,
        _ => S3ErrorCode::InternalError,
    };
    let mut error = S3Error::with_message(code, "an injected fault");
    if let Ok(status) = status.try_into() {
        error.set_status_code(status);
    }
    error
}

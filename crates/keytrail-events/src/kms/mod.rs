//! KMS facts of an event record: the operation, its outcome, the keys it touched, the encryption contexts, grant, key material.
//!
//! A pure function of one record: [`KmsFacts::of`] never fails and reads no clock; what the record does not tell is `None`, `unknown`
//! or `none`. Facts that need other records (the target of an alias at that time, the key of a grant, a cross-account twin, a key
//! deleted before) are left to the tables.
//!
//! ```text
//! requestParameters ─┐                     ┌─▶ context     encryption contexts and their state
//! responseElements ──┼─▶ fields (by name) ─┼─▶ resolution  key ARNs, and where they were found
//! additionalEventData┘                     └─▶ outcome     used, blocked, denied, probe, …
//! resources[] ───────────▶ arn (by shape) ─────▶ resolution
//! ```

mod arn;
mod context;
mod fields;
mod operations;
mod outcome;
mod resolution;

use std::borrow::Cow;

pub use context::{ContextPairs, ContextState};
pub use operations::{Access, OPERATIONS, Operation, OperationClass, operation};
pub use outcome::Outcome;
pub use resolution::KeyResolution;

use context::Context;
use fields::Fields;
use resolution::{Requested, ResolvedKeys};

/// Everything of a record that KMS facts are drawn from; JSON members as their exact, valid JSON text; `None` = absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct KmsInput<'a> {
    /// eventName.
    pub event_name: &'a str,
    /// eventType.
    pub event_type: Option<&'a str>,
    /// awsRegion.
    pub aws_region: Option<&'a str>,
    /// errorCode; `None` = the call succeeded.
    pub error_code: Option<&'a str>,
    /// errorMessage.
    pub error_message: Option<&'a str>,
    /// recipientAccountId.
    pub recipient_account_id: Option<&'a str>,
    /// userIdentity.accountId.
    pub principal_account_id: Option<&'a str>,
    /// userIdentity.invokedBy.
    pub invoked_by: Option<&'a str>,
    /// requestParameters as JSON text.
    pub request_parameters: Option<&'a str>,
    /// responseElements as JSON text.
    pub response_elements: Option<&'a str>,
    /// additionalEventData as JSON text.
    pub additional_event_data: Option<&'a str>,
    /// serviceEventDetails as JSON text.
    pub service_event_details: Option<&'a str>,
    /// resources as JSON text.
    pub resources: Option<&'a str>,
}

/// The KMS columns of one row; each field is the column of the same name in [`crate::schema::COLUMNS`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsFacts<'a> {
    /// Class of the operation.
    pub operation_class: OperationClass,
    /// What became of the call.
    pub outcome: Outcome,
    /// ARN of the key (ReEncrypt: the destination key), as the record spells it; `None` = none or not resolvable.
    pub key_arn: Option<Cow<'a, str>>,
    /// ReEncrypt: ARN of the source key; `None` = another operation or not resolvable.
    pub source_key_arn: Option<Cow<'a, str>>,
    /// What the caller typed as key; `None` = left out or withheld.
    pub requested_key_ref: Option<Cow<'a, str>>,
    /// ReEncrypt: what the caller typed as source key.
    pub source_requested_key_ref: Option<Cow<'a, str>>,
    /// Where `key_arn` was found.
    pub key_resolution: KeyResolution,
    /// Encryption context (ReEncrypt: the destination's), sorted by key; `None` = none recorded.
    pub encryption_context: Option<ContextPairs<'a>>,
    /// ReEncrypt: the source's encryption context, sorted by key.
    pub source_encryption_context: Option<ContextPairs<'a>>,
    /// What the record says about the context; `None` = the operation takes none.
    pub context_state: Option<ContextState>,
    /// The same for ReEncrypt's source side.
    pub source_context_state: Option<ContextState>,
    /// Grant created, retired, revoked or named.
    pub grant_id: Option<Cow<'a, str>>,
    /// Key material used (ReEncrypt: the destination's), 64 hex digits.
    pub key_material_id: Option<Cow<'a, str>>,
    /// ReEncrypt: the source's key material.
    pub source_key_material_id: Option<Cow<'a, str>>,
    /// Alias named by CreateAlias, UpdateAlias, DeleteAlias or typed as the key, always as `alias/…`.
    pub alias_name: Option<Cow<'a, str>>,
    /// Algorithm of the call (ReEncrypt: the destination's).
    pub algorithm: Option<Cow<'a, str>>,
}

/// Whether an event source is KMS: `kms.amazonaws.com`, and its names in other partitions.
pub fn is_kms_event(event_source: Option<&str>) -> bool {
    event_source.is_some_and(|source| source.starts_with("kms."))
}

impl<'a> KmsFacts<'a> {
    /// Draws the facts from a record.
    pub fn of(input: &KmsInput<'a>) -> Self {
        let operation = operation(input.event_name);
        let class = operation.map_or(OperationClass::Unknown, |operation| operation.class);
        let request = Fields::read(input.request_parameters);
        let response = Fields::read(input.response_elements);
        let additional = Fields::read(input.additional_event_data);
        let outcome = outcome::outcome(operation, input, &request);
        let is_pair = class == OperationClass::ReEncrypt;
        let Fields { key_id, source_key_id, destination_key_id, target_key_id, alias_name, .. } = request;
        let (requested_key_ref, source_requested_key_ref) =
            if is_pair { (destination_key_id, source_key_id) } else { (key_id.or(target_key_id), None) };
        let requested = Requested {
            key: requested_key_ref.as_ref(),
            source_key: source_requested_key_ref.as_ref(),
            alias_name: alias_name.as_ref(),
        };
        let ResolvedKeys { key_arn, source_key_arn, resolution } =
            resolution::resolve(class, input, requested, &response);
        let contexts = if is_pair { (request.destination_context, request.source_context) } else { (request.context, None) };
        let takes_context = operation.map_or(contexts.0.is_some(), |operation| operation.takes_context);
        let is_complete = request.is_complete;
        let (encryption_context, context_state) = context_columns(takes_context, contexts.0, is_complete);
        let (source_encryption_context, source_context_state) = context_columns(is_pair, contexts.1, is_complete);
        Self {
            operation_class: class,
            outcome,
            key_arn,
            source_key_arn,
            key_resolution: resolution,
            encryption_context,
            source_encryption_context,
            context_state,
            source_context_state,
            grant_id: response.grant_id.or(request.grant_id).or(additional.grant_id),
            key_material_id: additional.destination_key_material_id.or(additional.key_material_id),
            source_key_material_id: additional.source_key_material_id.filter(|_| is_pair),
            alias_name: alias_name.or_else(|| requested_key_ref.as_ref().and_then(arn::alias_name_of)),
            algorithm: request.algorithm.or(request.source_algorithm),
            requested_key_ref,
            source_requested_key_ref,
        }
    }
}

fn context_columns<'a>(
    takes_context: bool,
    context: Option<Context<'a>>,
    is_request_complete: bool,
) -> (Option<ContextPairs<'a>>, Option<ContextState>) {
    if !takes_context {
        return (None, None);
    }
    let state = Context::state(context.as_ref(), is_request_complete);
    (context.and_then(Context::into_pairs), Some(state))
}

//! What became of a call, and what that proves about the key.
//!
//! Judged by the record alone: whether a missing key had been deleted before is a question to the table. Management and metadata calls
//! are classed by the same rules, so `blocked` shows demand for the key only together with the class of the operation.

use super::KmsInput;
use super::context::Context;
use super::fields::Request;
use super::operations::{Operation, OperationClass};

/// What became of a call; the words of the column `outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A cryptographic call succeeded: the key was used.
    Used,
    /// Any other call succeeded.
    Succeeded,
    /// The key's state stood in the way: disabled, pending deletion, pending import, unavailable; or that of its custom key store.
    Blocked,
    /// The key, alias or grant is not there.
    NotFound,
    /// Permission was missing.
    Denied,
    /// A dry run, or a service's check that it could use the key; no data depends on it.
    Probe,
    /// The key worked, and the signature or MAC did not match.
    VerifyFailed,
    /// The request was wrong: another key, other data, a parameter, a limit.
    Failed,
    /// Throttling or a fault in between; the caller will have tried again.
    Transient,
}

impl Outcome {
    /// The word in the column `outcome`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Succeeded => "succeeded",
            Self::Blocked => "blocked",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Probe => "probe",
            Self::VerifyFailed => "verify_failed",
            Self::Failed => "failed",
            Self::Transient => "transient",
        }
    }
}

/// Judges a call.
pub(super) fn outcome(operation: Option<&Operation>, input: &KmsInput<'_>, request: &Request<'_>) -> Outcome {
    let code = input.error_code.unwrap_or_default();
    let message = input.error_message.unwrap_or_default();
    if request.is_dry_run {
        return Outcome::Probe;
    }
    if !code.is_empty() || !message.is_empty() {
        return of_error(code, message);
    }
    match operation {
        Some(operation) if operation.is_usage_tracked && is_check(operation, request) => Outcome::Probe,
        Some(operation) if operation.is_usage_tracked => Outcome::Used,
        _ => Outcome::Succeeded,
    }
}

fn of_error(code: &str, message: &str) -> Outcome {
    match normalised(code) {
        "DryRunOperation" => Outcome::Probe,
        "Disabled" => Outcome::Blocked,
        "KMSInvalidState" | "InvalidState" => of_invalid_state(message),
        "NotFound" => Outcome::NotFound,
        "AccessDenied" | "VpceAccessDenied" | "UnauthorizedOperation" | "Unauthorized" | "NotAuthorized" => {
            Outcome::Denied
        }
        "KMSInvalidSignature" | "KMSInvalidMac" => Outcome::VerifyFailed,
        "Throttling"
        | "ThrottledClient"
        | "RequestLimitExceeded"
        | "TooManyRequests"
        | "KeyUnavailable"
        | "DependencyTimeout"
        | "KMSInternal"
        | "InternalFailure"
        | "InternalError"
        | "InternalServer"
        | "InternalServerError"
        | "InternalService"
        | "ServiceUnavailable"
        | "RequestTimeout"
        | "XksProxyUriUnreachable"
        | "XksProxyInvalidResponse" => Outcome::Transient,
        "CustomKeyStoreInvalidState"
        | "CustomKeyStoreNotFound"
        | "CloudHsmClusterNotActive"
        | "CloudHsmClusterNotFound"
        | "CloudHsmClusterInvalidConfiguration"
        | "XksKeyInvalidConfiguration"
        | "XksKeyNotFound" => Outcome::Blocked,
        "" if says_blocked(message) => Outcome::Blocked,
        name if is_fault(name) => Outcome::Transient,
        _ => Outcome::Failed,
    }
}

/// One error has many spellings: `KMS.DisabledException` in S3's events, `DisabledException`, `Disabled`.
fn normalised(code: &str) -> &str {
    let name = code.rsplit(['.', '#', ':']).next().unwrap_or(code);
    name.strip_suffix("Exception").unwrap_or(name)
}

/// One code covers a key that may not be used and an external key store that failed for the moment; the text tells.
fn of_invalid_state(message: &str) -> Outcome {
    const PASSING: [&str; 4] = ["proxy", "external key", "is creating", "is updating"];
    let is_passing = PASSING.iter().any(|words| message.contains(words));
    if is_passing { Outcome::Transient } else { Outcome::Blocked }
}

/// Whether a name that is not in the list says that the service failed, not the call.
fn is_fault(name: &str) -> bool {
    ["Internal", "Unavailable", "Timeout", "Throttl", "Unknown"].iter().any(|word| name.contains(word))
}

fn says_blocked(message: &str) -> bool {
    const STATES: [&str; 5] =
        ["is disabled", "is pending deletion", "is pending replica deletion", "is pending import", "is unavailable"];
    STATES.iter().any(|words| message.contains(words))
}

/// Whether a successful call was a service's check of its permission, whose result is thrown away.
fn is_check(operation: &Operation, request: &Request<'_>) -> bool {
    let Some(context) = &request.context else { return false };
    context.value("SecretVersionId") == Some("RequestToValidateKeyAccess") || is_trail_check(operation, context)
}

/// CloudTrail checks a trail's configuration with a data key for the log folder; for a log file the context names the file.
fn is_trail_check(operation: &Operation, context: &Context<'_>) -> bool {
    let Some(log_arn) = context.value("aws:s3:arn") else { return false };
    operation.class == OperationClass::GenerateDataKey
        && context.value("aws:cloudtrail:arn").is_some()
        && log_arn.split('/').skip(1).any(|folder| folder == "AWSLogs")
        && !log_arn.ends_with(".gz")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kms::KmsFacts;

    fn outcome_of(event_name: &str, code: &str, message: &str, request: &str) -> &'static str {
        let input = KmsInput {
            event_name,
            error_code: Some(code).filter(|text| !text.is_empty()),
            error_message: Some(message).filter(|text| !text.is_empty()),
            request_parameters: Some(request),
            ..KmsInput::default()
        };
        KmsFacts::of(&input).outcome.as_str()
    }

    #[test]
    fn success_is_use_only_of_a_tracked_operation() {
        // Domain §6.3, checklist 33, 34.
        let cases = [
            ("Decrypt", "used"),
            ("GenerateDataKeyPairWithoutPlaintext", "used"),
            ("VerifyMac", "used"),
            ("Decapsulate", "used"),
            ("GenerateRandom", "succeeded"),
            ("GetPublicKey", "succeeded"),
            ("DescribeKey", "succeeded"),
            ("CreateGrant", "succeeded"),
            ("DeleteKey", "succeeded"),
            ("SomethingNew", "succeeded"),
        ];
        for (event_name, expected) in cases {
            assert_eq!(outcome_of(event_name, "", "", "null"), expected, "{event_name}");
        }
    }

    #[test]
    fn errors_are_classed_by_code_and_text() {
        // Domain §6.3, checklist 40-42, 44.
        let cases = [
            ("DisabledException", "arn:… is disabled.", "blocked"),
            ("Disabled", "", "blocked"),
            ("KMS.DisabledException", "", "blocked"),
            ("DisabledException", "arn:… is pending deletion (or pending replica deletion).", "blocked"),
            ("KMSInvalidStateException", "arn:… is pending deletion.", "blocked"),
            ("KMS.KMSInvalidStateException", "arn:… is pending import.", "blocked"),
            ("KMSInvalidStateException", "arn:… is unavailable.", "blocked"),
            ("KMSInvalidStateException", "", "blocked"),
            ("KMSInvalidStateException", "arn:… is creating.", "transient"),
            ("KMSInvalidStateException", "arn:… is updating.", "transient"),
            ("KMSInvalidStateException", "The external key store proxy rejected the request because …", "transient"),
            ("", "arn:… is disabled.", "blocked"),
            ("CustomKeyStoreInvalidStateException", "", "blocked"),
            ("CloudHsmClusterNotActiveException", "", "blocked"),
            ("XksKeyNotFoundException", "", "blocked"),
            ("", "something went wrong", "failed"),
            ("NotFoundException", "Key 'arn:…' does not exist", "not_found"),
            ("AccessDenied", "", "denied"),
            (
                "AccessDeniedException",
                "The ciphertext refers to a customer master key that does not exist, …",
                "denied",
            ),
            ("VpceAccessDenied", "The request was denied due to a VPC endpoint policy", "denied"),
            ("Client.UnauthorizedOperation", "", "denied"),
            ("DryRunOperationException", "", "probe"),
            ("KMSInvalidSignatureException", "", "verify_failed"),
            ("KMSInvalidMacException", "", "verify_failed"),
            ("IncorrectKeyException", "The key ID in the request does not identify a CMK that can …", "failed"),
            ("InvalidCiphertextException", "", "failed"),
            ("InvalidKeyUsageException", "", "failed"),
            ("ValidationException", "Value 'x is disabled' at 'keyId' failed", "failed"),
            ("InvalidGrantTokenException", "", "failed"),
            ("LimitExceededException", "", "failed"),
            ("SomethingNew", "", "failed"),
            ("ThrottlingException", "", "transient"),
            ("KeyUnavailableException", "", "transient"),
            ("DependencyTimeoutException", "", "transient"),
            ("KMSInternalException", "", "transient"),
        ];
        for event_name in ["Decrypt", "DescribeKey", "ScheduleKeyDeletion", "SomethingNew"] {
            for (code, message, expected) in cases {
                assert_eq!(outcome_of(event_name, code, message, "null"), expected, "{event_name} {code} {message}");
            }
        }
    }

    #[test]
    fn dry_runs_and_checks_are_probes() {
        // Domain §5, checklist 38, 39.
        let secret = r#"{"encryptionContext":{"SecretARN":"arn:s","SecretVersionId":"RequestToValidateKeyAccess"}}"#;
        let real_secret = r#"{"encryptionContext":{"SecretARN":"arn:s","SecretVersionId":"1"}}"#;
        let trail = |log_arn: &str| {
            format!(r#"{{"encryptionContext":{{"aws:cloudtrail:arn":"arn:t","aws:s3:arn":"arn:aws:s3:::{log_arn}"}}}}"#)
        };
        let folder = trail("bucket/AWSLogs/111122223333/");
        let below_prefix = trail("bucket/pre/fix/AWSLogs/o-abc/111122223333");
        let log_file =
            trail("bucket/AWSLogs/1/CloudTrail/us-west-2/2015/11/11/1_CloudTrail_us-west-2_20151111T2115Z_x.json.gz");
        let elsewhere = trail("bucket/AWSLogs-of-mine/x");
        let cases = [
            ("Decrypt", "", r#"{"dryRun":true}"#, "probe"),
            ("Decrypt", "AccessDeniedException", r#"{"dryRun":true}"#, "probe"),
            ("CreateGrant", "DryRunOperationException", "null", "probe"),
            ("Decrypt", "", r#"{"dryRun":false}"#, "used"),
            ("GenerateDataKey", "", secret, "probe"),
            ("Decrypt", "", secret, "probe"),
            ("Decrypt", "DisabledException", secret, "blocked"),
            ("Decrypt", "", real_secret, "used"),
            ("GenerateDataKey", "", &folder, "probe"),
            ("GenerateDataKey", "", &below_prefix, "probe"),
            ("GenerateDataKey", "", &log_file, "used"),
            ("GenerateDataKey", "", &elsewhere, "used"),
            ("Decrypt", "", &folder, "used"),
        ];
        for (event_name, code, request, expected) in cases {
            assert_eq!(outcome_of(event_name, code, "", request), expected, "{event_name} {code} {request}");
        }
    }
}

//! What became of a call, by the error code and, where one code means several things, by the message.
//!
//! Only the record itself is asked: whether a key that is not found had been deleted is another question.

use super::kms::{is_cryptographic, member, text_at};
use serde_json::Value;

/// The word in the column `outcome`.
pub(super) fn outcome_of(value: &Value) -> &'static str {
    let dry_run = member(value, "requestParameters")
        .and_then(|request| member(request, "dryRun"))
        .is_some_and(|flag| *flag == Value::Bool(true));
    if dry_run {
        return "probe";
    }
    match text_at(value, &["errorCode"]) {
        Some(code) => of_failure(code, text_at(value, &["errorMessage"]).unwrap_or_default()),
        None if !is_tracked(text_at(value, &["eventName"]).unwrap_or_default()) => "succeeded",
        None if is_probe(value) => "probe",
        None => "used",
    }
}

fn is_tracked(event_name: &str) -> bool {
    is_cryptographic(event_name) && event_name != "GenerateRandom"
}

/// Secrets Manager's permission check, and CloudTrail's check of a trail's configuration.
fn is_probe(value: &Value) -> bool {
    let context = ["requestParameters", "encryptionContext"];
    let at = |name: &str| text_at(value, &[context[0], context[1], name]);
    let trail_check = at("aws:cloudtrail:arn").is_some()
        && at("aws:s3:arn").is_some_and(|arn| arn.contains("/AWSLogs/") && !arn.ends_with(".gz"));
    at("SecretVersionId") == Some("RequestToValidateKeyAccess")
        || (trail_check && text_at(value, &["eventName"]) == Some("GenerateDataKey"))
}

fn of_failure(code: &str, message: &str) -> &'static str {
    let code = code.strip_prefix("KMS.").unwrap_or(code);
    match code.strip_suffix("Exception").unwrap_or(code) {
        "DryRunOperation" => "probe",
        "Disabled" => "blocked",
        "KMSInvalidState" if ["proxy", "is creating", "is updating"].iter().any(|text| message.contains(text)) => {
            "transient"
        }
        "KMSInvalidState" | "CustomKeyStoreInvalidState" | "CloudHsmClusterNotActive" | "XksKeyNotFound" => "blocked",
        "NotFound" => "not_found",
        "AccessDenied" | "VpceAccessDenied" => "denied",
        "KMSInvalidSignature" | "KMSInvalidMac" => "verify_failed",
        "Throttling" | "KeyUnavailable" | "DependencyTimeout" | "KMSInternal" => "transient",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn outcomes_follow_the_error() {
        let cases = [
            ("Decrypt", json!({}), "used"),
            ("DescribeKey", json!({}), "succeeded"),
            ("GenerateRandom", json!({}), "succeeded"),
            ("Decrypt", json!({"errorCode": "DisabledException", "errorMessage": "arn is disabled."}), "blocked"),
            ("Decrypt", json!({"errorCode": "KMS.DisabledException"}), "blocked"),
            (
                "Encrypt",
                json!({"errorCode": "KMSInvalidStateException", "errorMessage": "arn is pending deletion."}),
                "blocked",
            ),
            (
                "Encrypt",
                json!({"errorCode": "KMSInvalidStateException", "errorMessage": "arn is creating."}),
                "transient",
            ),
            ("Encrypt", json!({"errorCode": "NotFoundException"}), "not_found"),
            ("Encrypt", json!({"errorCode": "AccessDenied"}), "denied"),
            ("Encrypt", json!({"errorCode": "AccessDeniedException"}), "denied"),
            ("Encrypt", json!({"errorCode": "DryRunOperationException"}), "probe"),
            ("Encrypt", json!({"errorCode": "ValidationException", "requestParameters": {"dryRun": true}}), "probe"),
            ("Verify", json!({"errorCode": "KMSInvalidSignatureException"}), "verify_failed"),
            ("Decrypt", json!({"errorCode": "InvalidCiphertextException"}), "failed"),
            ("Decrypt", json!({"errorCode": "ThrottlingException"}), "transient"),
            (
                "Decrypt",
                json!({"requestParameters": {"encryptionContext": {"SecretVersionId": "RequestToValidateKeyAccess"}}}),
                "probe",
            ),
        ];
        for (name, mut value, expected) in cases {
            value["eventName"] = json!(name);
            assert_eq!(outcome_of(&value), expected, "{value}");
        }
    }
}

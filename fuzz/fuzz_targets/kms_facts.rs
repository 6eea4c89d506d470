//! Any texts as the members of a KMS event, one a line: facts hold together.
#![no_main]

use keytrail_events::kms::{ContextPairs, ContextState, KeyResolution, KmsFacts, KmsInput};
use serde_json::value::RawValue;

fn assert_sorted(pairs: Option<&ContextPairs<'_>>, state: Option<ContextState>) {
    let is_sorted = |pairs: &ContextPairs<'_>| pairs.is_sorted_by(|one, next| one.0 < next.0);
    assert!(pairs.is_none_or(is_sorted), "each key once, in order");
    let has_pairs = pairs.is_some_and(|pairs| !pairs.is_empty());
    assert_eq!(state == Some(ContextState::Present), has_pairs);
    assert_eq!(state == Some(ContextState::Empty), pairs.is_some_and(Vec::is_empty));
}

fn is_key_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(parts.as_slice(), ["arn", _, "kms", _, _, resource] if resource.starts_with("key/"))
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let lines: Vec<&str> = text.split('\n').collect();
    let text = |line: usize| lines.get(line).copied().filter(|text| !text.is_empty());
    let json = |line: usize| text(line).filter(|text| serde_json::from_str::<&RawValue>(text).is_ok()).map(str::trim);
    let facts = KmsFacts::of(&KmsInput {
        event_name: text(0).unwrap_or_default(),
        request_parameters: json(1),
        resources: json(2),
        response_elements: json(3),
        additional_event_data: json(4),
        service_event_details: json(5),
        event_type: text(6),
        aws_region: text(7).filter(|region| !region.contains(':')),
        error_code: text(8),
        error_message: text(9),
        recipient_account_id: text(10).filter(|account| !account.contains(':')),
        principal_account_id: text(11).filter(|account| !account.contains(':')),
        invoked_by: text(12),
        lacks_context: lines.len() % 2 == 1,
    });
    assert_sorted(facts.encryption_context.as_ref(), facts.context_state);
    assert_sorted(facts.source_encryption_context.as_ref(), facts.source_context_state);
    for arn in [&facts.key_arn, &facts.source_key_arn].into_iter().flatten() {
        assert!(is_key_arn(arn), "{arn}");
    }
    let is_unresolved = matches!(facts.key_resolution, KeyResolution::Alias | KeyResolution::None);
    assert_eq!(is_unresolved, facts.key_arn.is_none(), "{:?}", facts.key_resolution);
});

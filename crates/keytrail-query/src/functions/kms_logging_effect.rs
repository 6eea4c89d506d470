//! `kms_logging_effect(event_name, request_parameters)`: what a change of a trail, or of an event data store of CloudTrail Lake, means for the
//! logging of KMS calls.
//!
//! KMS calls are management events; a trail takes them by its event selectors. Basic selectors: `readWriteType`,
//! `includeManagementEvents`, `excludeManagementEventSources`; advanced selectors: fields with operators, all of which must hold
//! (AWS API reference, `EventSelector` and `AdvancedFieldSelector`). A trail takes what any of its selectors takes. Members are written as in
//! CloudTrail's records, or as the AWS CLI prints them, with a capital.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::DataType;
use datafusion::common::Result;
use datafusion::common::cast::as_string_array;
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use serde_json::Value;

use super::documentation;

const KMS: &str = "kms.amazonaws.com";

/// The scalar function.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct KmsLoggingEffect {
    signature: Signature,
    documentation: Documentation,
}

impl KmsLoggingEffect {
    pub(super) fn new() -> Self {
        let description = "What a call that changes a trail means for the logging of KMS calls: stopped, started, logged, partial, excluded, reads_excluded, writes_excluded or unknown; null where it changes nothing.";
        Self {
            signature: Signature::exact(vec![DataType::Utf8, DataType::Utf8], Volatility::Immutable),
            documentation: documentation("kms_logging_effect(event_name, request_parameters)", description),
        }
    }
}

impl ScalarUDFImpl for KmsLoggingEffect {
    fn name(&self) -> &str {
        "kms_logging_effect"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [names, requests] = args.args.as_slice() else { unreachable!("the signature has two arguments") };
        let (names, requests) = (names.to_array(args.number_rows)?, requests.to_array(args.number_rows)?);
        let (names, requests) = (as_string_array(&names)?, requests.as_string::<i32>());
        let effects = names.iter().zip(requests).map(|(name, request)| effect(name?, request));
        Ok(ColumnarValue::Array(Arc::new(effects.collect::<StringArray>()) as ArrayRef))
    }
}

/// The effect of one call; none where it changes nothing about KMS calls.
fn effect(event_name: &str, request: Option<&str>) -> Option<&'static str> {
    match event_name {
        "StopLogging" | "DeleteTrail" | "StopEventDataStoreIngestion" | "DeleteEventDataStore" => Some("stopped"),
        "StartLogging" | "StartEventDataStoreIngestion" | "RestoreEventDataStore" => Some("started"),
        "PutEventSelectors" => Some(selected(request).map_or("unknown", Taken::effect)),
        // An update without selectors leaves them as they were.
        "UpdateEventDataStore" => selected(request).map(Taken::effect),
        // Another bucket, prefix or set of regions may take the files away from where they were read.
        "UpdateTrail" => request.is_some_and(moves_files).then_some("unknown"),
        _ => None,
    }
}

fn selected(request: Option<&str>) -> Option<Taken> {
    let request = request.and_then(|text| serde_json::from_str::<Value>(text).ok())?;
    Taken::of_selectors(&request)
}

fn moves_files(request: &str) -> bool {
    ["s3BucketName", "s3KeyPrefix", "isMultiRegionTrail", "isOrganizationTrail", "includeGlobalServiceEvents"]
        .iter()
        .any(|member| request.contains(member))
}

/// Which KMS calls a selector takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    reads: bool,
    writes: bool,
    /// Only some of them: by caller, name or kind of event.
    is_partial: bool,
}

impl Taken {
    const ALL: Self = Self { reads: true, writes: true, is_partial: false };

    fn effect(self) -> &'static str {
        match self {
            Self { reads: false, writes: false, .. } => "excluded",
            Self { is_partial: true, .. } => "partial",
            Self { reads: true, writes: true, .. } => "logged",
            Self { reads: true, .. } => "writes_excluded",
            Self { reads: false, .. } => "reads_excluded",
        }
    }

    /// What all selectors of the request take together; none where it has no selectors.
    fn of_selectors(request: &Value) -> Option<Self> {
        let basic = member(request, "eventSelectors").and_then(Value::as_array);
        let advanced = member(request, "advancedEventSelectors").and_then(Value::as_array);
        let taken: Vec<_> = match (advanced, basic) {
            (Some(selectors), _) if !selectors.is_empty() => selectors.iter().map(Self::of_advanced).collect(),
            (_, Some(selectors)) => selectors.iter().map(Self::of_basic).collect(),
            _ => return None,
        };
        Some(taken.into_iter().fold(Self::default(), Self::or))
    }

    /// What either takes. Calls that one selector takes whole are not partial for another's sake.
    fn or(self, other: Self) -> Self {
        let whole = |taken: Self| !taken.is_partial && taken.reads && taken.writes;
        Self {
            reads: self.reads || other.reads,
            writes: self.writes || other.writes,
            is_partial: (self.is_partial || other.is_partial) && !whole(self) && !whole(other),
        }
    }

    /// Members that are left out mean that management events are logged, reads and writes alike.
    fn of_basic(selector: &Value) -> Self {
        let is_excluded = texts(member(selector, "excludeManagementEventSources")).contains(&KMS);
        let is_for_others = member(selector, "includeManagementEvents")
            .is_some_and(|included| included == &Value::Bool(false) || included.as_str() == Some("false"));
        if is_for_others || is_excluded {
            return Self::default();
        }
        match member(selector, "readWriteType").and_then(Value::as_str) {
            Some("ReadOnly") => Self { writes: false, ..Self::ALL },
            Some("WriteOnly") => Self { reads: false, ..Self::ALL },
            _ => Self::ALL,
        }
    }

    /// All fields must hold at once; a selector without `eventCategory` equal to `Management` takes data or other events.
    fn of_advanced(selector: &Value) -> Self {
        let fields =
            member(selector, "fieldSelectors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut taken = Self::default();
        for field in fields.iter().filter(|field| name_of(field) == "eventCategory") {
            if allows(field, "Management") {
                taken = Self::ALL;
            }
        }
        for field in fields {
            match name_of(field) {
                "eventCategory" => {}
                "readOnly" => {
                    taken.reads &= allows(field, "true");
                    taken.writes &= allows(field, "false");
                }
                "eventSource" if !allows(field, KMS) => return Self::default(),
                "eventSource" => {}
                _ => taken.is_partial = true,
            }
        }
        taken
    }
}

fn name_of(field: &Value) -> &str {
    member(field, "field").and_then(Value::as_str).unwrap_or_default()
}

/// A member by its name in CloudTrail's records, or the same with a capital.
fn member<'v>(object: &'v Value, name: &str) -> Option<&'v Value> {
    object
        .get(name)
        .or_else(|| object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// Whether a field selector lets `value` pass: each operator that is there must hold, each of them by any (or, of the `not`
/// operators, none) of its values.
fn allows(field: &Value, value: &str) -> bool {
    let any = |name: &str, holds: fn(&str, &str) -> bool| {
        let operands = texts(member(field, name));
        (!operands.is_empty()).then(|| operands.iter().any(|operand| holds(value, operand)))
    };
    let equals = |value: &str, operand: &str| value == operand;
    let starts = |value: &str, operand: &str| value.starts_with(operand);
    let ends = |value: &str, operand: &str| value.ends_with(operand);
    [
        ("equals", "notEquals", equals as fn(&str, &str) -> bool),
        ("startsWith", "notStartsWith", starts),
        ("endsWith", "notEndsWith", ends),
    ]
    .iter()
    .all(|(positive, negative, holds)| any(positive, *holds).unwrap_or(true) && !any(negative, *holds).unwrap_or(false))
}

/// The texts of a list; also of `false` and `true`, as some clients write `readOnly`.
fn texts(list: Option<&Value>) -> Vec<&str> {
    let text = |value: &'_ Value| match value {
        Value::Bool(true) => Some("true"),
        Value::Bool(false) => Some("false"),
        _ => None,
    };
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().or_else(|| text(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_selectors(request: &str) -> Option<&'static str> {
        effect("PutEventSelectors", Some(request))
    }

    /// Domain §6.2, item 53: both selector styles, as CloudTrail writes them.
    #[test]
    fn item_53_basic_selectors() {
        for (request, expected) in [
            (
                r#"{"trailName":"t","eventSelectors":[{"readWriteType":"All","includeManagementEvents":true,"dataResources":[]}]}"#,
                "logged",
            ),
            (r#"{"eventSelectors":[{}]}"#, "logged"),
            (r#"{"eventSelectors":[{"readWriteType":"WriteOnly","includeManagementEvents":true}]}"#, "reads_excluded"),
            (r#"{"eventSelectors":[{"readWriteType":"ReadOnly"}]}"#, "writes_excluded"),
            (r#"{"eventSelectors":[{"readWriteType":"ReadOnly"},{"readWriteType":"WriteOnly"}]}"#, "logged"),
            (r#"{"eventSelectors":[{"excludeManagementEventSources":["kms.amazonaws.com"]}]}"#, "excluded"),
            (r#"{"eventSelectors":[{"excludeManagementEventSources":["rdsdata.amazonaws.com"]}]}"#, "logged"),
            (
                r#"{"eventSelectors":[{"includeManagementEvents":false,"dataResources":[{"type":"AWS::S3::Object","values":["arn:aws:s3"]}]}]}"#,
                "excluded",
            ),
            (r#"{"eventSelectors":[]}"#, "excluded"),
            (r#"{"eventSelectors":[{"includeManagementEvents":"false"}]}"#, "excluded"),
            (
                r#"{"TrailARN":"t","EventSelectors":[{"ReadWriteType":"All","IncludeManagementEvents":true,"ExcludeManagementEventSources":["kms.amazonaws.com"]}]}"#,
                "excluded",
            ),
            (
                r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Field":"eventCategory","Equals":["Management"]},{"Field":"eventName","NotEquals":["Decrypt"]}]}]}"#,
                "partial",
            ),
            ("{}", "unknown"),
            ("no json", "unknown"),
        ] {
            assert_eq!(of_selectors(request), Some(expected), "{request}");
        }
        assert_eq!(effect("PutEventSelectors", None), Some("unknown"));
    }

    #[test]
    fn item_53_advanced_selectors() {
        let selector =
            |fields: &str| format!(r#"{{"advancedEventSelectors":[{{"name":"n","fieldSelectors":[{fields}]}}]}}"#);
        let management = r#"{"field":"eventCategory","equals":["Management"]}"#;
        for (more, expected) in [
            ("", "logged"),
            (r#",{"field":"readOnly","equals":["false"]}"#, "reads_excluded"),
            (r#",{"field":"readOnly","equals":["true"]}"#, "writes_excluded"),
            (r#",{"field":"readOnly","notEquals":["true"]}"#, "reads_excluded"),
            (r#",{"field":"eventSource","notEquals":["kms.amazonaws.com","rdsdata.amazonaws.com"]}"#, "excluded"),
            (r#",{"field":"eventSource","notEquals":["rdsdata.amazonaws.com"]}"#, "logged"),
            (r#",{"field":"eventSource","equals":["s3.amazonaws.com"]}"#, "excluded"),
            (r#",{"field":"eventSource","equals":["kms.amazonaws.com"]}"#, "logged"),
            (r#",{"field":"eventSource","notStartsWith":["kms"]}"#, "excluded"),
            (r#",{"field":"eventType","notEquals":["AwsServiceEvent"]}"#, "partial"),
            (r#",{"field":"userIdentity.arn","notEquals":["arn:aws:iam::111122223333:role/app"]}"#, "partial"),
        ] {
            assert_eq!(of_selectors(&selector(&format!("{management}{more}"))), Some(expected), "{more}");
        }
        let data = selector(
            r#"{"field":"eventCategory","equals":["Data"]},{"field":"resources.type","equals":["AWS::S3::Object"]}"#,
        );
        assert_eq!(of_selectors(&data), Some("excluded"));
        let both = format!(
            r#"{{"advancedEventSelectors":[{{"fieldSelectors":[{management},{{"field":"eventSource","notEquals":["kms.amazonaws.com"]}}]}},{{"fieldSelectors":[{management}]}}]}}"#
        );
        assert_eq!(of_selectors(&both), Some("logged"));
    }

    #[test]
    fn item_53_other_calls() {
        for (name, request, expected) in [
            ("StopLogging", Some(r#"{"name":"t"}"#), Some("stopped")),
            ("DeleteTrail", Some(r#"{"name":"t"}"#), Some("stopped")),
            ("StartLogging", Some(r#"{"name":"t"}"#), Some("started")),
            ("UpdateTrail", Some(r#"{"name":"t","s3BucketName":"b"}"#), Some("unknown")),
            ("UpdateTrail", Some(r#"{"name":"t","enableLogFileValidation":true}"#), None),
            ("CreateTrail", Some(r#"{"name":"t"}"#), None),
        ] {
            assert_eq!(effect(name, request), expected, "{name}");
        }
    }
}

//! The text that query engines make of a map or struct, `{key=value, other={a=b}}`, back into JSON as far as it can be told.
//!
//! It serves facts only, never the text that is kept: a value with `, x=` in it cannot be told from two.

use crate::json::push_quoted;

/// The JSON of a flattened map or list of maps; `levels` is how many maps and lists inside each other are taken apart, deeper ones stay
/// text: the caller's own words may nest without end. `None` = no such text.
pub(crate) fn to_json(text: &str, levels: u32) -> Option<String> {
    let text = text.trim();
    let mut out = String::new();
    if let Some(inside) = inside(text, '{', '}') {
        push_object(&mut out, inside, levels)?;
    } else {
        push_array(&mut out, inside_list(text)?, levels)?;
    }
    Some(out)
}

fn inside(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

fn inside_list(text: &str) -> Option<&str> {
    inside(text, '[', ']')
}

fn push_object(out: &mut String, inside: &str, levels: u32) -> Option<()> {
    out.push('{');
    let mut separator = "";
    for pair in pairs(inside) {
        let (key, value) = pair.split_once('=')?;
        out.push_str(separator);
        push_quoted(out, key.trim());
        out.push(':');
        push_value(out, value, levels - 1);
        separator = ",";
    }
    out.push('}');
    Some(())
}

fn push_array(out: &mut String, inside: &str, levels: u32) -> Option<()> {
    out.push('[');
    let mut separator = "";
    for element in pieces(inside) {
        out.push_str(separator);
        push_value(out, element, levels - 1);
        separator = ",";
    }
    out.push(']');
    Some(())
}

fn push_value(out: &mut String, value: &str, levels: u32) {
    let nested = if levels > 0 { to_json(value, levels) } else { None };
    match nested {
        Some(nested) => out.push_str(&nested),
        None if value == "null" => out.push_str(value),
        None => push_quoted(out, value),
    }
}

/// The `key=value` pieces; a piece without `=` belongs to the value before it.
fn pairs(inside: &str) -> Vec<&str> {
    let mut ends = Vec::new();
    for piece in pieces(inside) {
        let start = piece.as_ptr().addr() - inside.as_ptr().addr();
        match ends.last_mut() {
            Some((_, end)) if !piece.contains('=') => *end = start + piece.len(),
            _ => ends.push((start, start + piece.len())),
        }
    }
    ends.into_iter().map(|(start, end)| &inside[start..end]).collect()
}

/// What stands between the commas that no bracket encloses.
fn pieces(inside: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let is_separator = |character: char| {
        depth += match character {
            '{' | '[' => 1,
            '}' | ']' => -1,
            _ => 0,
        };
        character == ',' && depth == 0
    };
    inside.split(is_separator).map(str::trim).filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_become_objects_down_to_a_level() {
        for (text, levels, json) in [
            (
                "{keyId=alias/a, encryptionContext={aws:s3:arn=x, b=c}}",
                1,
                Some(r#"{"keyId":"alias/a","encryptionContext":"{aws:s3:arn=x, b=c}"}"#),
            ),
            (
                "{type=AssumedRole, sessionContext={attributes={mfaAuthenticated=false}}}",
                8,
                Some(r#"{"type":"AssumedRole","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}"#),
            ),
            (
                "[{accountId=1, arn=arn:aws:kms:r:1:key/k, arnPrefix=null}]",
                8,
                Some(r#"[{"accountId":"1","arn":"arn:aws:kms:r:1:key/k","arnPrefix":null}]"#),
            ),
            ("{description=a, b and c, keyId=k}", 1, Some(r#"{"description":"a, b and c","keyId":"k"}"#)),
            ("{}", 1, Some("{}")),
            ("{no pair}", 1, None),
            ("text", 1, None),
            ("", 1, None),
            ("{a=[}", 1, Some(r#"{"a":"["}"#)),
        ] {
            assert_eq!(to_json(text, levels).as_deref(), json, "{text}");
        }
    }

    #[test]
    fn lists_without_end_stay_text_from_a_level_on() {
        // As `userIdentity`, a stranger's text of 40 kB once took all of a thread's stack.
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let expected = format!("[[[\"{}\"]]]", nested(19_997));
        assert!(to_json(&nested(20_000), 3).as_deref() == Some(expected.as_str()));
    }

    proptest::proptest! {
        #[test]
        fn what_it_gives_is_json(text in "[\\[\\]{}=, \"\\\\a-c]{0,30}") {
            if let Some(json) = to_json(&text, 8) {
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{} gave {}", text, json);
            }
        }
    }
}

//! Encryption contexts: their pairs in one order, and what a record says about them.
//!
//! Which service a context belongs to is not decided here.

use std::borrow::Cow;

use crate::json;

/// The pairs of an encryption context, sorted by key, each key once; a value is `None` where the record holds `null`.
pub type ContextPairs<'a> = Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>;

/// What a record says about an encryption context; the words of the column `context_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContextState {
    /// It has at least one pair.
    Present,
    /// It is there and has no pair: `{}`.
    Empty,
    /// The parameters are there and name none.
    Absent,
    /// The parameters, or the context in them, were withheld: nothing can be said.
    Unknown,
}

impl ContextState {
    /// The word in the column `context_state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Empty => "empty",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// An encryption context as a parameter of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Context<'a> {
    /// An object, possibly without a pair.
    Pairs(ContextPairs<'a>),
    /// Something in the place of the object: `HIDDEN_DUE_TO_SECURITY_REASONS`, `null`.
    Withheld,
}

impl<'a> Context<'a> {
    /// Reads the value of a context parameter.
    pub(super) fn read(value: &'a str) -> Self {
        if value.starts_with('{') { Self::Pairs(sorted_pairs(value)) } else { Self::Withheld }
    }

    /// The value of a context key.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let Self::Pairs(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name == key)?.1.as_deref()
    }

    /// What the record says about a context that it may hold.
    ///
    /// `is_request_complete`: the request's parameters are there, so that a missing context means that none was given.
    pub(super) fn state(context: Option<&Self>, is_request_complete: bool) -> ContextState {
        match context {
            Some(Self::Pairs(pairs)) if pairs.is_empty() => ContextState::Empty,
            Some(Self::Pairs(_)) => ContextState::Present,
            None if is_request_complete => ContextState::Absent,
            Some(Self::Withheld) | None => ContextState::Unknown,
        }
    }

    /// The pairs, where there are any to tell; an empty context gives no pairs, which is not nothing.
    pub(super) fn into_pairs(self) -> Option<ContextPairs<'a>> {
        match self {
            Self::Pairs(pairs) => Some(pairs),
            Self::Withheld => None,
        }
    }
}

fn sorted_pairs(object: &str) -> ContextPairs<'_> {
    let members = json::members(object);
    let mut pairs: ContextPairs<'_> = members.map(|(key, value)| (json::unescape(key), context_value(value))).collect();
    if !pairs.is_sorted_by(|earlier, later| earlier.0 < later.0) {
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        keep_last_of_each_key(&mut pairs);
    }
    pairs
}

/// A JSON object with one key twice means its last value, as every reader of AWS's own takes it.
fn keep_last_of_each_key(pairs: &mut ContextPairs<'_>) {
    pairs.dedup_by(|later, kept| {
        let is_same = later.0 == kept.0;
        if is_same {
            std::mem::swap(later, kept);
        }
        is_same
    });
}

/// KMS takes text only; anything else in a log is kept as its JSON text.
fn context_value(value: &str) -> Option<Cow<'_, str>> {
    match value {
        "null" => None,
        _ => Some(json::string_value(value).unwrap_or(Cow::Borrowed(value))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: &str) -> Vec<(String, Option<String>)> {
        let pairs = Context::read(value).into_pairs().expect("an object");
        pairs.into_iter().map(|(key, value)| (key.into_owned(), value.map(Cow::into_owned))).collect()
    }

    fn pair(key: &str, value: &str) -> (String, Option<String>) {
        (key.to_owned(), Some(value.to_owned()))
    }

    #[test]
    fn pairs_are_sorted_and_the_last_of_a_key_wins() {
        // Domain checklist 22, §2.3.6.
        let found = pairs(r#"{"b":"1","a":"x","b":"2","a":"y","B":"3","b":"4"}"#);
        assert_eq!(found, [pair("B", "3"), pair("a", "y"), pair("b", "4")]);
        assert_eq!(pairs(r#"{"a":"1","a":"2"}"#), [pair("a", "2")]);
    }

    #[test]
    fn values_that_are_no_text_are_kept_as_json() {
        // Domain checklist 22.
        let found = pairs(r#"{"n":1.50,"t":true,"z":null,"o":{"k":[1, 2]},"é/ü.x":"\u00fc"}"#);
        let expected = [
            pair("n", "1.50"),
            pair("o", r#"{"k":[1, 2]}"#),
            pair("t", "true"),
            ("z".to_owned(), None),
            pair("é/ü.x", "ü"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn states_are_told_apart() {
        // Domain checklist 21, 22.
        let cases = [
            (Some(r#"{"a":"b"}"#), true, ContextState::Present),
            (Some("{}"), true, ContextState::Empty),
            (None, true, ContextState::Absent),
            (None, false, ContextState::Unknown),
            (Some("null"), true, ContextState::Unknown),
            (Some(r#""HIDDEN_DUE_TO_SECURITY_REASONS""#), true, ContextState::Unknown),
            (Some("[]"), true, ContextState::Unknown),
        ];
        for (value, is_request_complete, expected) in cases {
            let context = value.map(Context::read);
            assert_eq!(Context::state(context.as_ref(), is_request_complete), expected, "{value:?}");
        }
    }
}

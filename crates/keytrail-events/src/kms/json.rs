//! A reader of JSON members that are known to be valid: slices of the text, nothing decoded before it is asked for.
//!
//! Not a parser and no gate: the record was parsed strictly before, so this one skips by brackets and quotes only, which keeps it
//! free of limits and refusals (a lone surrogate in a context value must not cost the key). Text that is not valid JSON after all
//! yields fewer members, never a panic.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

/// The members of an object in order, each key with the exact text of its value; duplicates are all there.
pub(super) struct Members<'a> {
    rest: &'a str,
}

/// The exact texts of an array's elements in order.
pub(super) struct Elements<'a> {
    rest: &'a str,
}

/// The members of an object; `None` = the value is something else.
pub(super) fn members(value: &str) -> Option<Members<'_>> {
    value.trim_ascii().strip_prefix('{').map(|rest| Members { rest })
}

/// The elements of an array; `None` = the value is something else.
pub(super) fn elements(value: &str) -> Option<Elements<'_>> {
    value.trim_ascii().strip_prefix('[').map(|rest| Elements { rest })
}

/// The text of a string, borrowed where it holds no escapes; `None` = the value is something else.
pub(super) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    match memchr(b'\\', inner.as_bytes()) {
        None => Some(Cow::Borrowed(inner)),
        Some(_) => Some(Cow::Owned(unescape(inner))),
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = after_separator(self.rest);
        if !self.rest.starts_with('"') {
            return None;
        }
        let (key, rest) = split_value(self.rest)?;
        let (value, rest) = split_value(rest.trim_ascii_start().strip_prefix(':')?.trim_ascii_start())?;
        self.rest = rest;
        Some((text_of(key)?, value))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = after_separator(self.rest);
        let (value, rest) = split_value(self.rest)?;
        self.rest = rest;
        Some(value)
    }
}

fn after_separator(text: &str) -> &str {
    let text = text.trim_ascii_start();
    text.strip_prefix(',').map_or(text, str::trim_ascii_start)
}

/// Splits a value off the front of the text; `None` = there is none, or it has no end.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let end = match text.as_bytes().first()? {
        b'"' => string_end(text.as_bytes(), 0)?,
        b'{' | b'[' => nested_end(text.as_bytes())?,
        b'}' | b']' | b',' | b':' => return None,
        _ => scalar_end(text.as_bytes()),
    };
    text.split_at_checked(end)
}

/// The position after the string that opens at `open`.
fn string_end(bytes: &[u8], open: usize) -> Option<usize> {
    let mut position = open + 1;
    loop {
        position += memchr2(b'"', b'\\', bytes.get(position..)?)?;
        if bytes[position] == b'"' {
            return Some(position + 1);
        }
        position += 2;
    }
}

/// The position after the object or array that opens at the front.
fn nested_end(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut position = 0;
    loop {
        match bytes.get(position)? {
            b'"' => {
                position = string_end(bytes, position)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(position + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        position += 1;
    }
}

fn scalar_end(bytes: &[u8]) -> usize {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b'}' | b']');
    bytes.iter().position(is_end).unwrap_or(bytes.len())
}

/// Decodes the escapes of a string's inner text; each lone surrogate becomes U+FFFD.
fn unescape(inner: &str) -> String {
    let mut decoded = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        decoded.push_str(plain);
        rest = push_escape(&mut decoded, escape);
    }
    decoded.push_str(rest);
    decoded
}

/// Decodes the escape whose backslash was just taken off the text; returns what follows.
fn push_escape<'a>(decoded: &mut String, escape: &'a str) -> &'a str {
    let mut characters = escape.chars();
    match characters.next() {
        Some('u') => return push_unicode_escape(decoded, characters.as_str()),
        Some('b') => decoded.push('\u{8}'),
        Some('f') => decoded.push('\u{c}'),
        Some('n') => decoded.push('\n'),
        Some('r') => decoded.push('\r'),
        Some('t') => decoded.push('\t'),
        Some(other) => decoded.push(other),
        None => {}
    }
    characters.as_str()
}

fn push_unicode_escape<'a>(decoded: &mut String, digits: &'a str) -> &'a str {
    let Some((first, rest)) = split_unit(digits) else {
        decoded.push(char::REPLACEMENT_CHARACTER);
        return digits;
    };
    if let Some((second, rest)) = rest.strip_prefix("\\u").and_then(split_unit)
        && let Some(Ok(character)) = char::decode_utf16([first, second]).next()
        && character.len_utf16() == 2
    {
        decoded.push(character);
        return rest;
    }
    decoded.push(char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn split_unit(digits: &str) -> Option<(u16, &str)> {
    let (unit, rest) = digits.split_at_checked(4)?;
    u16::from_str_radix(unit, 16).ok().map(|unit| (unit, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(value: &str) -> Vec<(String, &str)> {
        members(value).expect("an object").map(|(key, value)| (key.into_owned(), value)).collect()
    }

    #[test]
    fn members_come_in_order_with_their_exact_text() {
        let found = pairs(r#" { "a" : { "x":"}" , "y":[1,{}] } ,"b":-1.5e3,"c": "q\"]}" , "a":null } "#);
        let expected = [("a", r#"{ "x":"}" , "y":[1,{}] }"#), ("b", "-1.5e3"), ("c", r#""q\"]}""#), ("a", "null")];
        assert_eq!(found, expected.map(|(key, value)| (key.to_owned(), value)));
        assert!(pairs("{}").is_empty());
        assert!(members("[]").is_none() && members("null").is_none() && members("").is_none());
    }

    #[test]
    fn elements_come_in_order_with_their_exact_text() {
        let found: Vec<_> = elements(r#"[ {"a":[1]} , "x" ,[] , null]"#).expect("an array").collect();
        assert_eq!(found, [r#"{"a":[1]}"#, r#""x""#, "[]", "null"]);
        assert_eq!(elements("[]").expect("an array").count(), 0);
    }

    #[test]
    fn text_is_borrowed_without_escapes() {
        assert!(matches!(text_of(r#""arn:é""#), Some(Cow::Borrowed("arn:é"))));
        assert_eq!(text_of("12"), None);
        assert_eq!(text_of("\""), None);
    }

    #[test]
    fn escapes_decode_and_lone_surrogates_are_replaced() {
        let cases = [
            (r#""a\u003db\/c\n""#, "a=b/c\n"),
            (r#""\ud83d\ude00!""#, "😀!"),
            (r#""\ud83d!""#, "\u{fffd}!"),
            (r#""\ude00\u0041""#, "\u{fffd}A"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\u0041""#, "\\u0041"),
        ];
        for (value, expected) in cases {
            assert_eq!(text_of(value).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn broken_text_ends_the_walk() {
        for value in ["{", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":\"", "{\"a\":{", "{1:2}", "{\"a\\", "{\"a\":}"] {
            assert_eq!(pairs(value).len(), 0, "{value}");
        }
    }

    proptest! {
        #[test]
        fn strings_decode_as_serde_json_decodes_them(text in any::<String>()) {
            let value = serde_json::to_string(&text).expect("text is always JSON");
            prop_assert_eq!(text_of(&value), Some(Cow::from(&text)));
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(unescape(&escaped), text);
        }

        #[test]
        fn any_text_is_walked_without_panic(text in "[\\PC{}\\[\\]:,\"\\\\ud0-9]*") {
            if let Some(found) = members(&text) { found.count(); }
            if let Some(found) = elements(&text) { found.count(); }
            text_of(&text);
        }
    }
}

//! A strict, non-recursive JSON scanner: finds where values begin and end, and copies nothing.
//!
//! It accepts exactly RFC 8259 with a cap on nesting, and tells the byte offset of what it refuses. It does not build values,
//! does not check UTF-8 (the caller checks a record's bytes once) and keeps lone surrogates: escapes matter only to [`unescape`].

use std::borrow::Cow;
use std::ops::Range;

use crate::text_sink::TextSink;

/// The deepest nesting of arrays and objects that is read; CloudTrail's own records stay below 20.
pub const MAX_DEPTH: u32 = 128;

/// Why some text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct SyntaxError {
    /// Byte offset in the scanned text.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

type Result<T> = std::result::Result<T, SyntaxError>;

/// A string's place: the text between its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringSpan {
    /// The bytes between the quotes.
    pub range: Range<usize>,
    /// Whether they hold an escape.
    pub has_escapes: bool,
}

/// A position in JSON text.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    bytes: &'a [u8],
    position: usize,
    is_canonical: bool,
    has_escapes: bool,
}

impl<'a> Scanner<'a> {
    /// Begins at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// Begins at `position`.
    pub fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position, is_canonical: true, has_escapes: false }
    }

    /// Whether what was scanned since [`Scanner::begin_form`] is the only spelling of its value, as far as it costs nothing to tell:
    /// no white space between tokens, no escape that has a shorter form. [`push_canonical`] makes it so.
    pub fn is_canonical(&self) -> bool {
        self.is_canonical
    }

    /// Whether a string scanned since then holds an escape.
    pub fn has_escapes(&self) -> bool {
        self.has_escapes
    }

    /// Begins to watch the spelling of what is scanned next.
    pub fn begin_form(&mut self) {
        self.is_canonical = true;
        self.has_escapes = false;
    }

    /// The offset of the next byte.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Skips white space and returns the next byte without taking it; `None` at the end.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        while let Some(&byte) = self.bytes.get(self.position) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.is_canonical = false;
            self.position += 1;
        }
        None
    }

    /// Takes `byte` after white space.
    ///
    /// # Errors
    /// The next byte is another one.
    #[inline]
    pub fn expect(&mut self, byte: u8, reason: &'static str) -> Result<()> {
        if self.peek() == Some(byte) {
            self.position += 1;
            return Ok(());
        }
        self.fail(reason)
    }

    /// Takes one byte that [`Scanner::peek`] has shown.
    pub fn advance(&mut self) {
        self.position += 1;
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T> {
        Err(SyntaxError { offset: self.position, reason })
    }

    /// The text is good as far as it goes.
    fn fail_at_end<T>(&self, reason: &'static str) -> Result<T> {
        Err(SyntaxError { offset: self.bytes.len(), reason })
    }

    /// Takes the key of an object's next member and its colon, or the closing brace (`None`).
    /// `is_first` is true until the first call returns.
    ///
    /// # Errors
    /// Neither stands here.
    #[inline]
    pub fn next_key(&mut self, is_first: &mut bool) -> Result<Option<StringSpan>> {
        match self.peek() {
            Some(b'}') => {
                self.position += 1;
                return Ok(None);
            }
            Some(b',') if !*is_first => self.position += 1,
            _ if *is_first => {}
            _ => return self.fail("expected `,` or `}`"),
        }
        *is_first = false;
        self.peek();
        let key = self.string()?;
        self.expect(b':', "expected `:`")?;
        Ok(Some(key))
    }

    /// Takes a comma and `key` where exactly that stands here; for members after the first. `key` is a name with its quotes and colon.
    #[inline]
    pub fn take_compact_key(&mut self, key: &[u8]) -> bool {
        let Some([b',', rest @ ..]) = self.bytes.get(self.position..) else { return false };
        // The first letters mostly tell it is another one.
        let is_here = rest.get(1) == key.get(1) && rest.starts_with(key);
        if is_here {
            self.position += key.len() + 1;
        }
        is_here
    }

    /// Takes `bytes` where exactly these stand here.
    #[inline]
    pub fn take_exactly(&mut self, bytes: &[u8]) -> bool {
        let is_here = self.bytes.get(self.position..).is_some_and(|rest| rest.starts_with(bytes));
        if is_here {
            self.position += bytes.len();
        }
        is_here
    }

    /// Moves to an array's next element (true) or takes the closing bracket (false).
    ///
    /// # Errors
    /// Neither stands here.
    pub fn next_element(&mut self, is_first: &mut bool) -> Result<bool> {
        match self.peek() {
            Some(b']') if *is_first => {
                self.position += 1;
                return Ok(false);
            }
            Some(b']') => {
                self.position += 1;
                return Ok(false);
            }
            Some(b',') if !*is_first => {
                self.position += 1;
                self.peek();
            }
            _ if *is_first => {}
            _ => return self.fail("expected `,` or `]`"),
        }
        *is_first = false;
        Ok(true)
    }

    /// Takes a string.
    ///
    /// # Errors
    /// No string stands here, it does not end, or it holds a control character or a bad escape.
    #[inline]
    pub fn string(&mut self) -> Result<StringSpan> {
        if self.bytes.get(self.position) != Some(&b'"') {
            return self.fail("expected a string");
        }
        self.position += 1;
        let start = self.position;
        let mut has_escapes = false;
        loop {
            self.position = end_of_plain_text(self.bytes, self.position);
            match self.bytes.get(self.position) {
                Some(b'"') => {
                    let range = start..self.position;
                    self.position += 1;
                    return Ok(StringSpan { range, has_escapes });
                }
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(_) => return self.fail("control character in a string"),
                None => return self.fail("string without an end"),
            }
        }
    }

    fn escape(&mut self) -> Result<()> {
        self.has_escapes = true;
        match self.bytes.get(self.position + 1) {
            Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.position += 2;
                Ok(())
            }
            Some(b'/') => {
                self.is_canonical = false;
                self.position += 2;
                Ok(())
            }
            None => self.fail_at_end("string without an end"),
            Some(b'u') => match self.bytes.get(self.position + 2..self.position + 6) {
                None if self.bytes[self.position + 2..].iter().all(u8::is_ascii_hexdigit) => {
                    self.fail_at_end("string without an end")
                }
                Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                    self.is_canonical = false;
                    self.position += 6;
                    Ok(())
                }
                _ => self.fail("bad unicode escape"),
            },
            _ => self.fail("bad escape"),
        }
    }

    /// Takes one value of any kind and returns its place.
    ///
    /// # Errors
    /// It is not strict JSON, or nested deeper than [`MAX_DEPTH`].
    pub fn value(&mut self) -> Result<Range<usize>> {
        self.peek();
        let start = self.position;
        let mut open = OpenContainers::default();
        'value: loop {
            match self.bytes.get(self.position) {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'{') => {
                    self.position += 1;
                    if self.peek() == Some(b'}') {
                        self.position += 1;
                    } else if open.push(true) {
                        self.key()?;
                        continue 'value;
                    } else {
                        return self.fail("nested too deep");
                    }
                }
                Some(b'[') => {
                    self.position += 1;
                    if self.peek() == Some(b']') {
                        self.position += 1;
                    } else if open.push(false) {
                        continue 'value;
                    } else {
                        return self.fail("nested too deep");
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                Some(_) => return self.fail("expected a value"),
                None => return self.fail("unexpected end"),
            }
            loop {
                let Some(in_object) = open.innermost() else {
                    return Ok(start..self.position);
                };
                match (self.peek(), in_object) {
                    (Some(b','), true) => {
                        self.position += 1;
                        self.peek();
                        self.key()?;
                        continue 'value;
                    }
                    (Some(b','), false) => {
                        self.position += 1;
                        self.peek();
                        continue 'value;
                    }
                    (Some(b'}'), true) | (Some(b']'), false) => {
                        self.position += 1;
                        open.pop();
                    }
                    (None, _) => return self.fail("unexpected end"),
                    _ => return self.fail("expected `,` or the end of the array or object"),
                }
            }
        }
    }

    fn key(&mut self) -> Result<()> {
        self.string()?;
        self.expect(b':', "expected `:`")?;
        self.peek();
        Ok(())
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<()> {
        let rest = &self.bytes[self.position..];
        if rest.starts_with(word) {
            self.position += word.len();
            return Ok(());
        }
        if word.starts_with(rest) { self.fail_at_end("unexpected end") } else { self.fail("expected a value") }
    }

    fn number(&mut self) -> Result<()> {
        if self.bytes.get(self.position) == Some(&b'-') {
            self.position += 1;
        }
        match self.bytes.get(self.position) {
            Some(b'0') => self.position += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return self.fail("bad number"),
        }
        if self.bytes.get(self.position) == Some(&b'.') {
            self.position += 1;
            self.some_digits()?;
        }
        if matches!(self.bytes.get(self.position), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.bytes.get(self.position), Some(b'+' | b'-')) {
                self.position += 1;
            }
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<()> {
        let start = self.position;
        self.digits();
        if self.position == start { self.fail("bad number") } else { Ok(()) }
    }

    fn digits(&mut self) {
        while matches!(self.bytes.get(self.position), Some(b'0'..=b'9')) {
            self.position += 1;
        }
    }
}

/// Which containers are open, innermost last: one bit each, so that depth costs no memory and no recursion.
#[derive(Default)]
struct OpenContainers {
    is_object: u128,
    depth: u32,
}

impl OpenContainers {
    fn push(&mut self, is_object: bool) -> bool {
        if self.depth == MAX_DEPTH {
            return false;
        }
        self.is_object = self.is_object << 1 | u128::from(is_object);
        self.depth += 1;
        true
    }

    fn pop(&mut self) {
        self.is_object >>= 1;
        self.depth -= 1;
    }

    #[inline]
    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.is_object & 1 == 1)
    }
}

/// The offset of the first quote, backslash or control character from `position` on: eight bytes at a time.
#[inline]
fn end_of_plain_text(bytes: &[u8], mut position: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(position..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let found = (quote.wrapping_sub(ONES) & !quote
            | backslash.wrapping_sub(ONES) & !backslash
            | word.wrapping_sub(ONES * 0x20) & !word)
            & HIGHS;
        if found != 0 {
            return position + (found.trailing_zeros() / 8) as usize;
        }
        position += 8;
    }
    while let Some(&byte) = bytes.get(position) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        position += 1;
    }
    position
}

/// The text of a JSON string from what stands between its quotes. A lone surrogate becomes U+FFFD.
pub fn unescape(text: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', text.as_bytes()) else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut next = Some(first);
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        rest = unescape_one(&rest[at..], &mut out);
        next = memchr::memchr(b'\\', rest.as_bytes());
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Decodes the escape that `text` begins with and returns what follows it. What JSON has no such escape for stands for itself: texts
/// come here that nobody checked, a caller's own in SQL among them.
fn unescape_one<'a>(text: &'a str, out: &mut String) -> &'a str {
    let mut behind = text[1..].chars();
    let simple = match behind.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return unescape_unicode(text, out),
        Some(other) => other,
        None => return "",
    };
    out.push(simple);
    behind.as_str()
}

fn unescape_unicode<'a>(text: &'a str, out: &mut String) -> &'a str {
    let Some(unit) = hex_unit(text) else {
        out.push(char::REPLACEMENT_CHARACTER);
        return text.get(2..).unwrap_or("");
    };
    let rest = &text[6..];
    if (0xD800..0xDC00).contains(&unit)
        && let Some(low) = hex_unit(rest).filter(|low| (0xDC00..0xE000).contains(low))
    {
        let scalar = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        out.push(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
        return &rest[6..];
    }
    out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
    rest
}

fn hex_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    // The standard library would take a sign.
    u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

/// Appends `text` as a JSON string in the shortest standard form, the one that AWS's writers produce.
pub fn push_quoted(out: &mut impl TextSink, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    loop {
        let at = end_of_plain_text(text.as_bytes(), plain_from);
        out.push_str(&text[plain_from..at]);
        let Some(byte) = text.as_bytes().get(at) else { break };
        push_escape(out, *byte);
        plain_from = at + 1;
    }
    out.push('"');
}

fn push_escape(out: &mut impl TextSink, byte: u8) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        0x8 => out.push_str("\\b"),
        0xc => out.push_str("\\f"),
        other => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(DIGITS[usize::from(other >> 4)]));
            out.push(char::from(DIGITS[usize::from(other & 15)]));
        }
    }
}

/// Appends a valid value in one spelling: no white space between its tokens, each string in [`push_quoted`]'s form.
/// Numbers and the order of members stay as they are; a lone surrogate stays an escape, in lower case.
pub fn push_canonical(out: &mut String, value: &str) {
    let mut rest = value;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b' ' | b'\n' | b'\r' | b'\t')) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.strip_prefix('"') {
            Some(string) => push_canonical_string(out, string),
            None => rest.trim_ascii_start(),
        };
    }
    out.push_str(rest);
}

/// Appends the string whose opening quote was taken and returns what follows its closing quote.
fn push_canonical_string<'a>(out: &mut String, text: &'a str) -> &'a str {
    out.push('"');
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('"') {
            out.push('"');
            return after;
        }
        rest = push_canonical_escape(out, rest);
    }
    out.push_str(rest);
    ""
}

/// Appends the escape that `text` begins with and returns what follows it.
fn push_canonical_escape<'a>(out: &mut String, text: &'a str) -> &'a str {
    let mut decoded = String::new();
    let rest = unescape_one(text, &mut decoded);
    let is_lone_surrogate = decoded.starts_with(char::REPLACEMENT_CHARACTER)
        && hex_unit(text).is_some_and(|unit| (0xD800..0xE000).contains(&unit));
    if is_lone_surrogate {
        let escape = &text[..text.len() - rest.len()];
        out.push_str(&escape.to_ascii_lowercase());
        return rest;
    }
    for character in decoded.chars() {
        match u8::try_from(character) {
            Ok(byte) if byte < 0x20 || byte == b'"' || byte == b'\\' => push_escape(out, byte),
            _ => out.push(character),
        }
    }
    rest
}

/// Whether a member's name anywhere in a valid JSON text is written with an escape: AWS writes none so.
pub(crate) fn has_escaped_names(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut scanner = Scanner::new(bytes);
    while let Some(quote) = bytes.get(scanner.position()..).and_then(|rest| memchr::memchr(b'"', rest)) {
        scanner = Scanner::at(bytes, scanner.position() + quote);
        let Ok(span) = scanner.string() else { return false };
        if span.has_escapes && scanner.peek() == Some(b':') {
            return true;
        }
    }
    false
}

/// A member's key and value, both as they stand in the text: the key between its quotes, the value whole.
pub type RawMember<'a> = (&'a str, &'a str);

/// The members of the object that `text` is; empty where it is no object, ends where it stops being JSON.
pub fn members(text: &str) -> Members<'_> {
    let mut scanner = Scanner::new(text.as_bytes());
    let is_object = scanner.peek() == Some(b'{');
    scanner.advance();
    Members { text, scanner, is_first: true, is_done: !is_object }
}

/// Iterator of [`members`].
#[derive(Debug)]
pub struct Members<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    is_first: bool,
    is_done: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = RawMember<'a>;

    fn next(&mut self) -> Option<RawMember<'a>> {
        if self.is_done {
            return None;
        }
        let member = self.scanner.next_key(&mut self.is_first).ok().flatten().and_then(|key| {
            let value = self.scanner.value().ok()?;
            Some((&self.text[key.range], &self.text[value]))
        });
        self.is_done = member.is_none();
        member
    }
}

/// The elements of the array that `text` is, each as it stands in the text; none where it is no array, ends where it stops being JSON.
pub fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut scanner = Scanner::new(text.as_bytes());
    let is_array = scanner.peek() == Some(b'[');
    scanner.advance();
    let mut is_first = true;
    std::iter::from_fn(move || {
        let has_next = is_array && scanner.next_element(&mut is_first).ok()?;
        has_next.then(|| scanner.value().ok()).flatten().map(|range| &text[range])
    })
    .fuse()
}

/// The names of the member that a value stands under and of the one around that: `""` where there is none.
#[derive(Debug, Clone, Copy)]
pub struct MemberNames<'a> {
    /// The member's own name.
    pub name: &'a str,
    /// The name of the member whose object it is in.
    pub outer: &'a str,
}

/// Shows every string of a JSON text, with the names that it stands under.
pub fn for_each_string(text: &str, see: &mut impl FnMut(MemberNames<'_>, &str)) {
    see_strings(text, MemberNames { name: "", outer: "" }, see);
}

fn see_strings(text: &str, names: MemberNames<'_>, see: &mut impl FnMut(MemberNames<'_>, &str)) {
    match text.as_bytes().first() {
        Some(b'{') => members(text).for_each(|(name, value)| {
            see_strings(value, MemberNames { name: &unescape(name), outer: names.name }, see);
        }),
        Some(b'[') => elements(text).for_each(|element| see_strings(element, names, see)),
        Some(b'"') => see(names, &string_value(text).unwrap_or(Cow::Borrowed(text))),
        _ => {}
    }
}

/// The text of a raw value that is a string; `None` for every other kind.
pub fn string_value(raw: &str) -> Option<Cow<'_, str>> {
    plain_string_value(raw).map(unescape)
}

/// The same for a value that is known to hold no escape.
pub fn plain_string_value(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Range<usize>> {
        let mut scanner = Scanner::new(text.as_bytes());
        let range = scanner.value()?;
        match scanner.peek() {
            None => Ok(range),
            Some(_) => scanner.fail("text after the value"),
        }
    }

    #[test]
    fn accepts_strict_json() {
        for text in [
            "null",
            "true",
            "false",
            "0",
            "-0",
            "1.5e-3",
            "1E+2",
            r#""""#,
            r#""a\u00e9\n""#,
            "[]",
            "{}",
            "[1, [2, {\"a\" : []}]]",
            r#"{"a":1,"a":2}"#,
            r#""\ud800""#,
            " [ ] ",
            r#"{"":0}"#,
        ] {
            assert!(scan(text).is_ok(), "{text}: {:?}", scan(text));
        }
    }

    #[test]
    fn refuses_everything_else_with_its_offset() {
        for (text, offset) in [
            ("", 0),
            ("[1,]", 3),
            ("{,}", 1),
            ("{\"a\":1,}", 7),
            ("01", 1),
            ("1.", 2),
            ("+1", 0),
            ("nul", 3),
            ("nil", 0),
            ("\"\\", 2),
            ("\"\\u12", 5),
            ("\"\\u1x", 1),
            ("NaN", 0),
            ("[1 2]", 3),
            ("\"a", 2),
            ("\"\\x\"", 1),
            ("\"\\u12g4\"", 1),
            ("\"\t\"", 1),
            ("{\"a\"}", 4),
            ("[", 1),
            ("]", 0),
            ("{]", 1),
            ("[}", 1),
            ("1 2", 2),
        ] {
            assert_eq!(scan(text).expect_err(text).offset, offset, "{text}");
        }
    }

    #[test]
    fn a_compact_key_is_taken_whole_or_not_at_all() {
        for (text, is_taken) in [
            (r#","a":1}"#, true),
            (r#", "a":1}"#, false),
            (r#","a" :1}"#, false),
            (r#","ab":1}"#, false),
            (r#","b":1}"#, false),
            (r#","a"#, false),
            (r#"{"a":1}"#, false),
            ("", false),
        ] {
            let mut scanner = Scanner::new(text.as_bytes());
            assert_eq!(scanner.take_compact_key(br#""a":"#), is_taken, "{text}");
            assert_eq!(scanner.position(), if is_taken { 5 } else { 0 }, "{text}");
        }
    }

    #[test]
    fn caps_nesting_without_recursion() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(scan(&nested(MAX_DEPTH as usize + 1)).is_ok(), "an empty innermost array opens no level");
        assert_eq!(scan(&nested(100_000)).expect_err("deep").reason, "nested too deep");
    }

    #[test]
    fn finds_the_end_of_plain_text_at_every_offset() {
        for length in 0..40 {
            for stop in ["\"", "\\", "\u{1f}", "\n"] {
                let text = "é~ x".chars().cycle().take(length).collect::<String>() + stop + "tail\"tail";
                let expected = text.find(stop).expect("stop");
                assert_eq!(end_of_plain_text(text.as_bytes(), 0), expected, "{text:?}");
            }
        }
    }

    #[test]
    fn unescapes_and_quotes() {
        for (raw, text) in [
            (r"a\u003db", "a=b"),
            (r"\ud83d\ude00", "😀"),
            (r"\ud83d", "\u{fffd}"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r#"\"\\\/\b\f\n\r\t"#, "\"\\/\u{8}\u{c}\n\r\t"),
            // No JSON.
            (r"a\éb\", "aéb"),
            (r"\u00e", "\u{fffd}00e"),
            (r"\u+0e9", "\u{fffd}+0e9"),
            (r"\u00é", "\u{fffd}00é"),
        ] {
            assert_eq!(unescape(raw), text, "{raw}");
        }
        let mut out = String::new();
        push_quoted(&mut out, "a\"\\\n\u{1}é/=");
        assert_eq!(out, r#""a\"\\\n\u0001é/=""#);
    }

    #[test]
    fn one_value_has_one_canonical_spelling() {
        for (text, canonical) in [
            (r#"{"a":[1,"b c"]}"#, r#"{"a":[1,"b c"]}"#),
            ("{ \"a\" :\n[ 1 ,\t\"b c\" ] }", r#"{"a":[1,"b c"]}"#),
            (r#""\u003d\/\u0022\u000A\u00e9\uD83D\ude00""#, "\"=/\\\"\\né😀\""),
            (r#""\uD800x""#, r#""\ud800x""#),
            (r#""\uDC00\ud801\u0041""#, r#""\udc00\ud801A""#),
            (r#""\ufffd""#, "\"\u{fffd}\""),
            ("1.50", "1.50"),
        ] {
            let mut out = String::new();
            push_canonical(&mut out, text);
            assert_eq!(out, canonical, "{text}");
            let mut scanner = Scanner::new(text.as_bytes());
            scanner.value().expect(text);
            assert!(!scanner.is_canonical() || text == canonical, "{text} is said to be canonical");
        }
    }

    #[test]
    fn lists_members_of_an_object_only() {
        let list = |text| members(text).collect::<Vec<_>>();
        assert_eq!(list(r#" {"a": 1 , "b":{"c":[]}} "#), [("a", "1"), ("b", r#"{"c":[]}"#)]);
        assert_eq!(list("[1]"), []);
        assert_eq!(list(r#""text""#), []);
        assert_eq!(list(r#"{"a":1,"#), [("a", "1")]);
        let list = |text| elements(text).collect::<Vec<_>>();
        assert_eq!(list(r#" [ 1 , {"a":[]} ] "#), ["1", r#"{"a":[]}"#]);
        assert_eq!((list("[]"), list("{}"), list("[1,")), (vec![], vec![], vec!["1"]));
    }

    proptest::proptest! {
        #[test]
        fn canonical_spelling_keeps_the_value(text in r#"[\[\]{}:,"\\a0-9.eE+\- \n\ttrufalsnd8]{0,24}"#) {
            if scan(&text).is_ok() {
                let mut out = String::new();
                push_canonical(&mut out, text.trim());
                let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
                proptest::prop_assert_eq!(read(&text), read(&out), "{}", text);
                let mut again = String::new();
                push_canonical(&mut again, &out);
                proptest::prop_assert_eq!(&again, &out);
            }
        }

        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\a0-9.eE+\- \n\ttrufalsn]{0,24}"#) {
            let theirs = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok();
            proptest::prop_assert_eq!(scan(&text).is_ok(), theirs, "{}", text);
        }

        #[test]
        fn quoting_round_trips(text in ".{0,40}") {
            let mut out = String::new();
            push_quoted(&mut out, &text);
            let back = string_value(&out);
            proptest::prop_assert_eq!(back.as_deref(), Some(text.as_str()));
        }
    }
}

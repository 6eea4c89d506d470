//! Makes text written by strangers harmless for the place it is shown: a terminal, an HTML page, a Markdown cell.
//!
//! User agents, session names, context values and whole records are the caller's own words; a control sequence among
//! them could repaint a terminal or hide what a line says. What is dangerous is shown as a visible `\u{…}` escape,
//! nothing is dropped. It does not decide where escaping is needed: every renderer and the output module call it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// True for a character that moves the cursor, changes the direction of text or is invisible.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control() || is_direction_control(character) || is_invisible(character)
}

/// True for a byte that is a printable character of ASCII by itself; none of them is unsafe.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn is_direction_control(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Line separators, zero-width spaces, interlinear annotations and tag characters; joiners stay, scripts need them.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}' | '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Text for one line of a terminal: newlines and tabs become `\n` and `\t`, other unsafe characters `\u{…}`.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    replace_unsafe(text, |_| false)
}

/// Text for a terminal where line breaks are the writer's own: newlines stay, the rest is as in [`line()`].
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    replace_unsafe(text, |character| character == '\n')
}

/// Bytes for a terminal where tabs and line breaks belong to the format (CSV, TSV).
pub(crate) fn delimited(text: &str) -> Cow<'_, str> {
    replace_unsafe(text, |character| matches!(character, '\n' | '\t'))
}

fn replace_unsafe(text: &str, is_allowed: fn(char) -> bool) -> Cow<'_, str> {
    let is_replaced = |character: char| is_unsafe(character) && !is_allowed(character);
    if text.bytes().all(is_printable) || !text.contains(is_replaced) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !is_replaced(character) => safe.push(character),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ => safe.extend(character.escape_unicode()),
        }
    }
    Cow::Owned(safe)
}

/// Text for an HTML element or a quoted attribute; unsafe characters are made visible first.
pub(crate) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for character in line(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(character),
        }
    }
    safe
}

/// Text for a cell of a Markdown table: no markup, no HTML and no link of its own.
pub(crate) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    for character in line(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '~' | '$' => {
                safe.push('\\');
                safe.push(character);
            }
            // An address or `scheme://` is turned into a link by several readers; a character reference is shown the same.
            '@' => safe.push_str("&#64;"),
            '/' if safe.ends_with(":/") => safe.push_str("&#47;"),
            _ => safe.push(character),
        }
    }
    if safe.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        safe.replace_range(3..4, "&#46;");
    }
    safe
}

/// Appends a JSON string literal; unsafe characters are written as `\uXXXX`, which any reader turns back.
pub(crate) fn push_json_string(json: &mut String, text: &str) {
    json.push('"');
    let mut rest = text;
    while let Some(plain_bytes) = rest.bytes().position(|byte| !is_printable(byte) || matches!(byte, b'"' | b'\\')) {
        let (plain, others) = rest.split_at(plain_bytes);
        json.push_str(plain);
        let mut characters = others.chars();
        if let Some(character) = characters.next() {
            push_json_character(json, character);
        }
        rest = characters.as_str();
    }
    json.push_str(rest);
    json.push('"');
}

/// Appends a text that is JSON, in one line; unsafe characters, which stand in its strings only, are written as `\uXXXX`.
pub(crate) fn push_json_text(json: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => json.push(' '),
            _ if is_unsafe(character) => push_json_escape(json, character),
            _ => json.push(character),
        }
    }
}

fn push_json_character(json: &mut String, character: char) {
    match character {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        '\n' => json.push_str("\\n"),
        '\r' => json.push_str("\\r"),
        '\t' => json.push_str("\\t"),
        _ if is_unsafe(character) => push_json_escape(json, character),
        _ => json.push(character),
    }
}

fn push_json_escape(json: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        write!(json, "\\u{unit:04x}").expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_stays() {
        let cases = [
            ("plain é 漢字", "plain é 漢字"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
            ("\u{7f}\u{8}\u{0}", "\\u{7f}\\u{8}\\u{0}"),
            ("\u{200b}\u{feff}\u{e0041}", "\\u{200b}\\u{feff}\\u{e0041}"),
        ];
        for (text, expected) in cases {
            assert_eq!(line(text), expected);
            assert!(!line(text).contains(is_unsafe));
        }
        assert_eq!(lines("a\n\u{1b}b"), "a\n\\u{1b}b");
    }

    #[test]
    fn html_and_markdown_take_no_markup_from_data() {
        assert_eq!(html("<script>'\"&\u{1b}"), "&lt;script&gt;&#39;&quot;&amp;\\u{1b}");
        assert_eq!(markdown("a|b\n[x](http://y)"), "a\\|b\\\\n\\[x\\](http:/&#47;y)");
        assert_eq!(markdown("<img>"), "&lt;img&gt;");
        assert_eq!(markdown("www.example.org"), "www&#46;example.org");
    }

    #[test]
    fn json_texts_stay_what_they_are() {
        let mut json = String::new();
        push_json_text(&mut json, "{\"a\":\n\t[1, \"\u{202e}é\\n\"]}");
        assert_eq!(json, "{\"a\":  [1, \"\\u202eé\\n\"]}");
    }

    #[test]
    fn json_strings_read_back_as_the_same_text() {
        for text in ["", "plain", "\u{1b}[0m", "quote \" and \\", "\u{202e}\u{e0041}\u{7f}x", "a漢字b\n", "\"\"c\t\té"]
        {
            let mut json = String::new();
            push_json_string(&mut json, text);
            assert!(!json.contains(is_unsafe), "{json}");
            assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), text);
        }
    }
}

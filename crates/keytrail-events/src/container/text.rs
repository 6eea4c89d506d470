//! What an unpacked text is: its encoding, then JSON, CSV, or a kind that is known and not read.
//!
//! It looks at first bytes only and reads nothing itself; the lines of logs, which hold JSON behind something else, are told here too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::LogFileKind;
use super::document::Document;
use super::reading::Reading;
use super::tables;

/// How far into a line its JSON may begin.
const MAX_LINE_PREFIX: usize = 1024;
/// So short a text holds no record, whatever its encoding.
const MAX_SHORT_BYTES: usize = 64;
/// A checksum in hexadecimal is a word, base64 in one line is none.
const MAX_WORD_BYTES: usize = 128;
/// How much of a file that is none of ours a message shows.
const SHOWN_BYTES: usize = 100;
/// How the first three bytes of gzip data look in base64.
const GZIP_IN_BASE64: &[u8] = b"H4sI";
/// The content of the object by which CloudWatch Logs tests a bucket before an export.
const EXPORT_TEST: &[u8] = b"Permission Check Successful";

impl Reading<'_> {
    /// Reads a text that is not packed.
    pub(super) fn text(&mut self, bytes: &[u8], depth: u32) {
        self.outcome.uncompressed_bytes += bytes.len() as u64;
        if let Some(text) = self.read_utf16(bytes) {
            return self.utf8(text.as_bytes(), depth);
        }
        self.utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes), depth);
    }

    fn utf8(&mut self, bytes: &[u8], depth: u32) {
        let Some(first) = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) else { return };
        self.mark_text();
        if matches!(first, b'{' | b'[') {
            return self.document(Document::new(bytes, depth));
        }
        if bytes.trim_ascii() == EXPORT_TEST {
            return self.count_other(LogFileKind::ControlMessage);
        }
        if self.is_beside_logs() && is_prose(bytes) {
            return self.pass_over();
        }
        if bytes.trim_ascii_start().starts_with(GZIP_IN_BASE64) {
            return self.encoded(bytes, depth);
        }
        if let Some(reason) = other_format(bytes) {
            return self.refuse(bytes, reason);
        }
        match tables::Csv::of(bytes) {
            Some(table) => self.csv(&table, depth),
            None => self.document(Document::new(bytes, depth)),
        }
    }

    /// Reads gzip data in base64, as subscriptions of CloudWatch Logs bring them to a stream: in lines of any length, one behind the other.
    fn encoded(&mut self, bytes: &[u8], depth: u32) {
        let mut words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next().filter(|_| !self.is_over()) {
            let mut text = word.to_vec();
            while let Some(more) = words.next_if(|word| !word.starts_with(GZIP_IN_BASE64)) {
                text.extend_from_slice(more);
            }
            match STANDARD.decode(&text) {
                Ok(data) => self.content(&data, depth + 1),
                Err(_) => self.reject(0, "gzip data in base64 that is damaged or cut short".to_owned(), &text),
            }
        }
    }

    fn refuse(&mut self, bytes: &[u8], reason: &str) {
        if is_security_lake(bytes) {
            self.count_other(LogFileKind::SecurityLake);
        }
        self.reject_whole(reason.to_owned(), bytes);
    }

    /// The text of UTF-16 with a byte order mark, as spreadsheets and PowerShell write it; `None` = anything else.
    fn read_utf16(&mut self, bytes: &[u8]) -> Option<String> {
        let (unit, bytes): (fn([u8; 2]) -> u16, _) = match bytes {
            [0xff, 0xfe, rest @ ..] => (u16::from_le_bytes, rest),
            [0xfe, 0xff, rest @ ..] => (u16::from_be_bytes, rest),
            _ => return None,
        };
        if let Err(failure) = self.unpacker.spend(bytes.len()) {
            self.give_up();
            self.reject_whole(failure.to_string(), bytes);
            return Some(String::new());
        }
        let (pairs, odd) = bytes.as_chunks::<2>();
        let mut unpaired = odd.len();
        let characters = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).map(|character| {
            unpaired += usize::from(character.is_err());
            character.unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        let text = characters.collect();
        if unpaired > 0 {
            self.note(format!("{unpaired} units of the UTF-16 text stand for no character"));
        }
        Some(text)
    }
}

/// Why a file of another format is not read, with the step to take instead.
fn other_format(bytes: &[u8]) -> Option<&'static str> {
    if is_security_lake(bytes) {
        return Some(
            "Amazon Security Lake (OCSF): keytrail reads CloudTrail's own records, convert the trail's log files",
        );
    }
    if bytes.starts_with(b"PAR1") {
        return Some("a Parquet file: keytrail reads CloudTrail's own records, convert the trail's log files");
    }
    if bytes.starts_with(b"\xfd7zXZ\0") {
        return Some("xz data: unpack it first, with `xz -d`");
    }
    if bytes.starts_with(b"BZh") && bytes.get(4..10) == Some(b"1AY&SY") {
        return Some("bzip2 data: unpack it first, with `bzip2 -d`");
    }
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"<") && !begins_with_priority(text) {
        return Some("an HTML or XML page, perhaps an error in place of a download: fetch the log file again");
    }
    None
}

/// Whether bytes are words in lines, in which no event record can hide: plain UTF-8, with spaces or shorter than any record, without
/// braces, the word "event" or a run of characters that could be an encoding. What took the place of a damaged log file can look so, too: it
/// is asked only where the name says that no log file was expected there.
fn is_prose(bytes: &[u8]) -> bool {
    let is_readable = |character: char| !character.is_control() || matches!(character, '\t' | '\r' | '\n');
    let is_telling = |word: &str| {
        let holds_event = word.as_bytes().windows(5).any(|part| part.eq_ignore_ascii_case(b"event"));
        word.len() > MAX_WORD_BYTES || holds_event || word.contains(['{', '}'])
    };
    std::str::from_utf8(bytes).is_ok_and(|text| {
        (text.trim().contains(' ') || text.len() < MAX_SHORT_BYTES)
            && text.chars().all(is_readable)
            && !text.split_whitespace().any(is_telling)
    })
}

/// A Parquet file with OCSF's class column; column names stand in clear text near the file's end.
fn is_security_lake(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(1 << 20)..];
    bytes.starts_with(b"PAR1") && memchr::memmem::find(tail, b"class_uid").is_some()
}

/// A line of a log that holds JSON behind something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogLine {
    /// `2023-07-10T12:00:00.000Z {…}`: CloudWatch Logs exports and `aws logs tail`; `<134>Mar  4 05:06:07 host cloudtrail: {…}`: syslog.
    /// The JSON's offset.
    Headed(usize),
    /// The same without JSON.
    Message,
    /// `EVENTS⇥…⇥{…}⇥…`: the AWS CLI's text output; the JSON's offset.
    Cli(usize),
    /// A line of the same output that holds no event.
    Other,
}

impl LogLine {
    /// The line that begins at `start`; `None` where no such line begins there.
    pub(super) fn at(bytes: &[u8], start: usize) -> Option<Self> {
        let is_line_start = start == 0 || matches!(bytes[start - 1], b'\n' | b'\r');
        let line = bytes.get(start..).filter(|_| is_line_start)?;
        if begins_with_time(line) || begins_with_priority(line) {
            return Some(json_in_line(line).map_or(Self::Message, |at| Self::Headed(start + at)));
        }
        match is_cli_line(line) {
            true if line.starts_with(b"EVENTS\t") => Some(Self::Cli(start + json_in_line(line)?)),
            true => Some(Self::Other),
            false => None,
        }
    }
}

/// The offset of the first `{` on the line, behind a space or tab.
fn json_in_line(line: &[u8]) -> Option<usize> {
    let line = &line[..line.len().min(MAX_LINE_PREFIX)];
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    let at = memchr::memchr(b'{', line)?;
    matches!(line.get(at.wrapping_sub(1)), Some(b' ' | b'\t')).then_some(at)
}

/// Whether a line begins with `YYYY-MM-DDT`.
pub(super) fn begins_with_time(line: &[u8]) -> bool {
    let is_shaped = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        _ => byte.is_ascii_digit(),
    };
    line.first_chunk::<11>().is_some_and(|date| date.iter().enumerate().all(is_shaped))
}

/// Whether a line begins with syslog's priority, `<134>`.
pub(super) fn begins_with_priority(line: &[u8]) -> bool {
    let digits = line.strip_prefix(b"<").unwrap_or_default();
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=3).contains(&length) && digits.get(length) == Some(&b'>')
}

/// Whether a line begins like one of the AWS CLI's text output of `lookup-events` or `filter-log-events`.
pub(super) fn is_cli_line(line: &[u8]) -> bool {
    [b"EVENTS\t".as_slice(), b"RESOURCES\t", b"NEXTTOKEN\t", b"SEARCHEDLOGSTREAMS\t"]
        .iter()
        .any(|lead| line.starts_with(lead))
}

/// The first bytes of a file that is none of ours, for a message.
pub(super) fn beginning_of(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(SHOWN_BYTES)];
    format!("begins with `{}`", start.escape_ascii())
}

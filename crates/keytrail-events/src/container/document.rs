//! JSON text: one value as a rule, several in JSON lines, log lines and back-to-back objects.
//!
//! It finds records and rejects what is no JSON; an object that is no record itself goes to [`super::wrappers`].

use super::MAX_WRAPPERS;
use super::damage::{Recovery, end_of_line};
use super::reading::Reading;
use super::text::{LogLine, beginning_of};
use super::wrappers::{List, Passed, PassedMember, find_list, next_list};
use crate::field_memory::FieldMemory;
use crate::json::{self, Scanner, SyntaxError};
use crate::record::{DetailLevel, EventRecord, RecordError, RecordKind};

/// How much of a query's status a note shows.
const SHOWN_STATUS_CHARS: usize = 40;

/// One piece of JSON text: the file, or a string in it that holds JSON again.
pub(super) struct Document<'d> {
    pub(super) bytes: &'d [u8],
    /// The bytes as text, when all of them are UTF-8.
    text: Option<&'d str>,
    /// How many packings and wrappers stand around it.
    pub(super) depth: u32,
    /// What records lose at most on their way into this text.
    pub(super) detail_level: DetailLevel,
    recovery: Recovery<'d>,
    memory: FieldMemory<'d>,
    /// It is what a packing gave, which may have been cut; a string within another text is whole.
    may_be_cut: bool,
    /// Something in it could be read: what is damaged then is a record, not the file.
    is_known: bool,
    /// Elements of arrays that end before this offset were given away already, or begin at it and cannot be read.
    read_end: usize,
    /// An array in it was left before its end: what closes it, and the commas between its elements, say nothing any more.
    is_torn: bool,
}

impl<'d> Document<'d> {
    pub(super) fn new(bytes: &'d [u8], depth: u32) -> Self {
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let recovery = Recovery::new(bytes);
        let (detail_level, memory) = (DetailLevel::Full, FieldMemory::default());
        let (may_be_cut, is_known, read_end, is_torn) = (true, false, 0, false);
        Self { bytes, text, depth, detail_level, recovery, memory, may_be_cut, is_known, read_end, is_torn }
    }

    /// A text inside another one.
    pub(super) fn inner(text: &'d str, depth: u32, detail_level: DetailLevel) -> Self {
        let bytes = text.as_bytes();
        Self {
            bytes,
            text: Some(text),
            depth,
            detail_level,
            recovery: Recovery::new(bytes),
            memory: FieldMemory::default(),
            may_be_cut: false,
            is_known: true,
            read_end: 0,
            is_torn: false,
        }
    }
}

impl Reading<'_> {
    /// Reads values until the text ends.
    pub(super) fn document(&mut self, mut document: Document<'_>) {
        let document = &mut document;
        let mut scanner = Scanner::new(document.bytes);
        while let Some(byte) = scanner.peek() {
            if self.is_over() {
                return;
            }
            let start = scanner.position();
            let result = match byte {
                b'{' | b'[' | b'"' => self.value(document, &mut scanner, 0),
                b',' | b']' | b'}' if document.is_torn => {
                    scanner.advance();
                    continue;
                }
                _ => self.line(document, &mut scanner),
            };
            match result {
                Ok(()) => document.is_known = true,
                Err(error) => {
                    document.is_torn |= document.read_end > start;
                    let start = start.max(document.read_end);
                    let end = document.recovery.end_of_value(start, error.offset);
                    self.reject_syntax(document, start, end, error);
                    scanner = Scanner::at(document.bytes, end);
                }
            }
        }
    }

    /// What begins with something else than a container or a string: a log's line, or nothing of ours.
    fn line<'d>(&mut self, document: &mut Document<'d>, scanner: &mut Scanner<'d>) -> Result<(), SyntaxError> {
        let start = scanner.position();
        match LogLine::at(document.bytes, start) {
            Some(LogLine::Headed(json)) => *scanner = Scanner::at(document.bytes, json),
            Some(LogLine::Cli(json)) => {
                *scanner = Scanner::at(document.bytes, json);
                document.is_known = true;
                self.more_follows = None;
                self.value(document, scanner, 0)?;
                *scanner = Scanner::at(document.bytes, end_of_line(document.bytes, scanner.position()));
            }
            Some(LogLine::Message) => {
                let end = end_of_line(document.bytes, start);
                self.reject(start, "a log line without an event".to_owned(), &document.bytes[start..end]);
                *scanner = Scanner::at(document.bytes, end);
            }
            Some(LogLine::Other) => {
                let end = end_of_line(document.bytes, start);
                let token = document.bytes[start..end].strip_prefix(b"NEXTTOKEN\t");
                if token.is_some_and(|token| !token.starts_with(b"None")) {
                    self.more_follows = Some("NEXTTOKEN");
                }
                *scanner = Scanner::at(document.bytes, end);
            }
            None => {
                let value = scanner.value();
                let range = value.or(Err(SyntaxError { offset: start, reason: "expected a JSON object or array" }))?;
                self.reject(start, RecordError::NotAnObject.to_string(), &document.bytes[range]);
            }
        }
        Ok(())
    }

    fn value<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
        nesting: u32,
    ) -> Result<(), SyntaxError> {
        match scanner.peek() {
            Some(b'[') if nesting < MAX_WRAPPERS => {
                scanner.advance();
                self.array(document, scanner, nesting + 1)
            }
            Some(b'{') => self.object(document, scanner, nesting + 1),
            _ => self.string_or_scalar(document, scanner),
        }
    }

    fn array<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
        nesting: u32,
    ) -> Result<(), SyntaxError> {
        self.elements(document, scanner, |reading, document, scanner| reading.value(document, scanner, nesting))
    }

    /// An array's elements behind its opening bracket; one that is no JSON, or what stands between two, is rejected and the next one read.
    /// Where the end of one cannot be told, [`Document::read_end`] says how far the array was read.
    pub(super) fn elements<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
        read: impl Fn(&mut Self, &mut Document<'d>, &mut Scanner<'d>) -> Result<(), SyntaxError>,
    ) -> Result<(), SyntaxError> {
        document.is_known = true;
        let mut is_first = true;
        while !self.is_over() {
            let before = scanner.position();
            let mut start = before;
            let result = match scanner.next_element(&mut is_first) {
                Ok(false) => return Ok(()),
                // A comma that no element follows.
                Ok(true) if scanner.peek() == Some(b']') => {
                    let end = scanner.position();
                    let error = SyntaxError { offset: end, reason: "expected a value" };
                    self.reject_syntax(document, before, end, error);
                    continue;
                }
                Ok(true) => {
                    start = scanner.position();
                    read(self, document, scanner)
                }
                Err(error) => {
                    start = start.max(scanner.position());
                    Err(error)
                }
            };
            if let Err(error) = result {
                let end = document.recovery.end_of_element(start);
                if start < document.bytes.len() {
                    document.read_end = document.read_end.max(start);
                }
                let end = end.ok_or(error)?.max(document.read_end);
                self.reject_syntax(document, start.max(document.read_end), end, error);
                *scanner = Scanner::at(document.bytes, end);
            }
            document.read_end = scanner.position();
        }
        Ok(())
    }

    fn object<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
        nesting: u32,
    ) -> Result<(), SyntaxError> {
        let found = if nesting <= MAX_WRAPPERS { find_list(document.bytes, scanner) } else { None };
        if let Some((list, mut inside, mut passed)) = found {
            // Whatever the page before it said: here is the next one.
            self.more_follows = None;
            let result = self.list(list, document, &mut inside, nesting, &mut passed);
            for PassedMember { name, value } in passed {
                self.note_completeness(list, &document.bytes[name], &document.bytes[value.clone()]);
                self.passed_over(value.start, &document.bytes[value]);
            }
            *scanner = inside;
            return result;
        }
        let start = scanner.position();
        let Some(text) = document.text else {
            let range = scanner.value()?;
            self.untrusted_object(document, start, &document.bytes[range]);
            return Ok(());
        };
        let mut record = EventRecord::scan_from(text, scanner, &mut document.memory)?;
        self.parsed(document, start, &mut record);
        Ok(())
    }

    /// A member beside a container's lists: names of log streams, a token, numbers; or something that holds events.
    fn passed_over(&mut self, start: usize, value: &[u8]) {
        const NAME: &[u8] = b"eventSource";
        let is_member = |at: usize| {
            let behind = value[at + NAME.len()..].iter().find(|byte| !matches!(byte, b'"' | b'\\' | b' '));
            behind == Some(&b':')
        };
        if memchr::memmem::find_iter(value, NAME).any(is_member) {
            self.reject(start, "a member beside the records that is not read, and holds some".to_owned(), value);
        }
    }

    /// What a member beside a container's list says of there being more than the list has.
    fn note_completeness(&mut self, list: List, name: &[u8], value: &[u8]) {
        let Some(text) = std::str::from_utf8(value).ok().and_then(json::string_value) else { return };
        match (name, list) {
            (b"NextToken" | b"nextToken", _) if !text.is_empty() => {
                let name = if name == b"NextToken" { "NextToken" } else { "nextToken" };
                self.more_follows = Some(name);
            }
            (b"QueryStatus", List::Rows) if text != "FINISHED" => {
                self.note_part(&format!("the query's status is `{}`", shortened(&text)));
            }
            (b"status", List::Rows) if text != "Complete" => {
                self.note_part(&format!("the query's status is `{}`", shortened(&text)));
            }
            _ => {}
        }
    }

    /// The elements of a container's list, then those of its other lists; the places of the other members are added to `passed`.
    fn list<'d>(
        &mut self,
        list: List,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
        nesting: u32,
        passed: &mut Passed,
    ) -> Result<(), SyntaxError> {
        let mut next = Some(list);
        let mut is_first = false;
        while let Some(list) = next {
            self.elements(document, scanner, |reading, document, scanner| match (list, scanner.peek()) {
                (List::Rows, Some(b'[')) => reading.table_row(document, scanner),
                (_, Some(b'[')) => reading.string_or_scalar(document, scanner),
                _ => reading.value(document, scanner, nesting),
            })?;
            next = if self.is_over() { None } else { next_list(document.bytes, scanner, &mut is_first, passed)? };
        }
        Ok(())
    }

    /// An object in a file that is not UTF-8 throughout: good records are taken, bad ones rejected.
    fn untrusted_object(&mut self, document: &Document<'_>, start: usize, bytes: &[u8]) {
        match std::str::from_utf8(bytes)
            .map_err(|error| RecordError::Encoding(error.valid_up_to()))
            .and_then(EventRecord::parse)
        {
            Ok(mut record) => self.parsed(document, start, &mut record),
            Err(error) => self.reject(start, error.to_string(), bytes),
        }
    }

    /// Gives an object to where it belongs: the sink, the counts, or whoever looks for records inside it.
    pub(super) fn parsed(&mut self, document: &Document<'_>, start: usize, record: &mut EventRecord<'_>) {
        match record.kind() {
            Ok(RecordKind::ApiEvent) => {
                record.lower_detail_level(if is_shipped(record) { DetailLevel::Reencoded } else { DetailLevel::Full });
                record.lower_detail_level(document.detail_level);
                self.take(record);
            }
            Ok(kind) => self.ignore(kind),
            Err(RecordError::NotAnEvent(_)) if self.unwrapped(document, start, record) => {}
            Err(error) => self.reject(start, error.to_string(), record.text().as_bytes()),
        }
    }

    fn string_or_scalar<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
    ) -> Result<(), SyntaxError> {
        let start = scanner.position();
        let bytes = &document.bytes[scanner.value()?];
        let text = std::str::from_utf8(bytes).ok().and_then(json::string_value);
        match text.filter(|text| holds_object(text)) {
            Some(text) => self.inner_text(&text, document.depth + 1, DetailLevel::Full),
            None => self.reject(start, RecordError::NotAnObject.to_string(), bytes),
        }
        Ok(())
    }

    /// Reads a string that holds JSON.
    pub(super) fn inner_text(&mut self, text: &str, depth: u32, detail_level: DetailLevel) {
        if depth > MAX_WRAPPERS {
            return self.reject(0, format!("wrapped more than {MAX_WRAPPERS} times"), text.as_bytes());
        }
        if let Err(failure) = self.unpacker.spend(text.len()) {
            self.give_up();
            return self.reject_whole(failure.to_string(), &[]);
        }
        self.document(Document::inner(text, depth, detail_level));
    }

    fn reject_syntax(&mut self, document: &Document<'_>, start: usize, end: usize, error: SyntaxError) {
        let is_cut = document.may_be_cut && error.offset >= document.bytes.len();
        let reason = match self.failure.take_if(|_| is_cut) {
            Some(failure) => failure,
            None if !document.is_known => {
                format!("not a CloudTrail log file: {error}: {}", beginning_of(document.bytes))
            }
            None => format!("not valid JSON: {error}"),
        };
        self.reject(start, reason, &document.bytes[start..end]);
    }
}

/// Whether a text is JSON of an object, of an array of them, or of a string that is such a text again.
pub(super) fn holds_object(text: &str) -> bool {
    let text = text.trim();
    match text.as_bytes().first() {
        Some(b'{') => true,
        Some(b'[') => text[1..].trim_start().starts_with('{'),
        Some(b'"') => json::string_value(text).is_some_and(|inner| holds_object(&inner)),
        _ => false,
    }
}

/// The beginning of a status, for a note.
fn shortened(text: &str) -> String {
    text.chars().take(SHOWN_STATUS_CHARS).flat_map(char::escape_debug).collect()
}

/// Whether a log shipper has read and written the record: Logstash and its kin add a member of their own.
fn is_shipped(record: &EventRecord<'_>) -> bool {
    record.unknown_fields().is_some_and(|fields| fields.contains("\"@timestamp\":"))
}

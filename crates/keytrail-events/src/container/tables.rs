//! Tables of events: CSV downloads and rows of query results, each row made a record text again.
//!
//! A column that holds whole records (`eventJson`, `@message`, `_raw`) goes before all others. Else a row becomes one JSON object, AWS's
//! names in the order of the columns, cells that are empty left out; names that AWS does not know stay as they are. That text is then the record's
//! exact text, and its detail level says what the table could not carry.

use std::borrow::Cow;

use csv::{ByteRecord, ReaderBuilder};

use super::document::Document;
use super::reading::Reading;
use crate::json::{self, Scanner, SyntaxError};
use crate::record::{DetailLevel, EventRecord, Field, FieldKind, RecordError};
use crate::time::{parse_exported_time, push_exact_time};

/// How much of a text is searched for the end of its header.
const MAX_HEADER_BYTES: usize = 64 << 10;
/// Normalised names of columns that hold whole records.
const WHOLE: [&str; 5] = ["eventjson", "message", "raw", "cloudtrailevent", "source"];
/// Normalised names of columns that belong into `userIdentity`.
const IDENTITY: [(&str, &str); 4] = [
    ("username", "userName"),
    ("awsaccesskey", "accessKeyId"),
    ("accesskeyid", "accessKeyId"),
    ("principalid", "principalId"),
];

/// What becomes of a column's cells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Role {
    /// A record's whole text.
    Whole,
    Field(Field),
    /// A member of `userIdentity`.
    Identity(&'static str),
    /// A member that is no field of event records.
    Other(String),
}

impl Role {
    fn of(name: &str) -> Self {
        let normalised: String =
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        if let Some(field) = Field::from_any_case(&normalised) {
            return Self::Field(field);
        }
        if let Some((_, member)) = IDENTITY.iter().find(|(column, _)| *column == normalised) {
            return Self::Identity(member);
        }
        // `source` alone is a word of many tables; Elastic's column is `_source`.
        let is_whole = WHOLE.contains(&normalised.as_str()) && (normalised != "source" || name.trim() == "_source");
        if is_whole { Self::Whole } else { Self::Other(name.trim().to_owned()) }
    }
}

/// The columns of a table of events.
#[derive(Debug)]
struct Columns {
    roles: Vec<Role>,
    /// Names are those of the console, such as `Event name`.
    has_console_names: bool,
}

impl Columns {
    fn of<'n>(names: impl Iterator<Item = &'n str>) -> Self {
        let mut columns = Self { roles: Vec::new(), has_console_names: false };
        for name in names {
            let role = Role::of(name);
            columns.has_console_names |= role == Role::Field(Field::EventName) && name.trim().contains(' ');
            columns.roles.push(role);
        }
        columns.make_unique();
        columns
    }

    /// A field that several columns name belongs to the first, the others carry their place in their name: of two members of one name
    /// the record would keep the later. `userIdentity` belongs to its own column where there is one.
    fn make_unique(&mut self) {
        let has_identity = self.has(Field::UserIdentity);
        for at in 0..self.roles.len() {
            let is_taken = match &self.roles[at] {
                role @ Role::Field(_) => self.roles[..at].contains(role),
                role @ Role::Identity(_) => has_identity || self.roles[..at].contains(role),
                Role::Whole | Role::Other(_) => false,
            };
            if is_taken {
                let name = match &self.roles[at] {
                    Role::Field(field) => format!("{}_{}", field.json_name(), at + 1),
                    Role::Identity(member) => (*member).to_owned(),
                    Role::Whole | Role::Other(_) => continue,
                };
                self.roles[at] = Role::Other(name);
            }
        }
    }

    fn has(&self, field: Field) -> bool {
        self.roles.contains(&Role::Field(field))
    }

    fn are_known(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::Field(_) | Role::Whole))
    }

    fn hold_events(&self) -> bool {
        self.roles.contains(&Role::Whole) || (self.has(Field::EventSource) && self.has(Field::EventName))
    }

    /// The text of a row's whole record, where there is such a column.
    fn whole<'c>(&self, cells: &'c [Cow<'_, str>]) -> Option<&'c str> {
        let at = self.roles.iter().position(|role| *role == Role::Whole)?;
        cells.get(at).map(AsRef::as_ref)
    }

    /// A row as the text of a record, and how much of the event it carries.
    fn record_text(&self, cells: &[Cow<'_, str>]) -> (String, DetailLevel) {
        let mut row = RowText { text: String::new(), is_all_json: true };
        let mut is_identity_written = false;
        for (role, cell) in self.roles.iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            match role {
                Role::Field(field) => row.push_field(*field, cell),
                Role::Identity(_) if is_identity_written => {}
                Role::Identity(_) => {
                    row.push_raw("userIdentity", &self.identity(cells));
                    is_identity_written = true;
                }
                Role::Other(name) => row.push_text(name, cell),
                Role::Whole => {}
            }
        }
        row.text.push_str(if row.text.is_empty() { "{}" } else { "}" });
        (row.text, self.detail_level(row.is_all_json))
    }

    fn identity(&self, cells: &[Cow<'_, str>]) -> String {
        let mut identity = RowText { text: String::new(), is_all_json: true };
        for (role, cell) in self.roles.iter().zip(cells) {
            if let Role::Identity(member) = role
                && !cell.is_empty()
            {
                identity.push_text(member, cell);
            }
        }
        identity.text + "}"
    }

    fn detail_level(&self, is_all_json: bool) -> DetailLevel {
        match self.has(Field::RequestParameters) {
            true if is_all_json => DetailLevel::Reencoded,
            false if self.has_console_names => DetailLevel::Summary,
            _ => DetailLevel::Flattened,
        }
    }
}

/// A record text in the making.
struct RowText {
    text: String,
    /// What belongs to JSON columns was JSON, not the flattened text of a map.
    is_all_json: bool,
}

impl RowText {
    fn push_name(&mut self, name: &str) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        json::push_quoted(&mut self.text, name);
        self.text.push(':');
    }

    fn push_text(&mut self, name: &str, value: &str) {
        self.push_name(name);
        json::push_quoted(&mut self.text, value);
    }

    fn push_raw(&mut self, name: &str, value: &str) {
        self.push_name(name);
        self.text.push_str(value);
    }

    fn push_field(&mut self, field: Field, cell: &str) {
        let name = field.json_name();
        match field.kind() {
            FieldKind::Text => self.push_text(name, cell),
            FieldKind::Boolean if cell.eq_ignore_ascii_case("true") => self.push_raw(name, "true"),
            FieldKind::Boolean if cell.eq_ignore_ascii_case("false") => self.push_raw(name, "false"),
            FieldKind::Boolean => self.push_text(name, cell),
            FieldKind::Time => self.push_text(name, &time_text(cell)),
            FieldKind::Json if is_json(cell) => self.push_raw(name, cell.trim()),
            FieldKind::Json => {
                self.is_all_json = false;
                self.push_text(name, cell);
            }
        }
    }
}

/// A moment in CloudTrail's form; what is none stays as it is.
fn time_text(cell: &str) -> Cow<'_, str> {
    let Some(micros) = parse_exported_time(cell) else { return Cow::Borrowed(cell) };
    let mut text = String::new();
    push_exact_time(&mut text, micros);
    Cow::Owned(text)
}

/// Whether a cell is an object, an array or `null` in strict JSON.
fn is_json(cell: &str) -> bool {
    let mut scanner = Scanner::new(cell.as_bytes());
    let is_container = matches!(scanner.peek(), Some(b'{' | b'['));
    (is_container && scanner.value().is_ok() && scanner.peek().is_none()) || cell.trim() == "null"
}

/// A CSV text with a header that names something of event records.
pub(super) struct Csv<'t> {
    bytes: &'t [u8],
    delimiter: u8,
    columns: Columns,
}

impl<'t> Csv<'t> {
    /// Reads the header, with any of the delimiters that spreadsheets write; `None` = no such text.
    pub(super) fn of(bytes: &'t [u8]) -> Option<Self> {
        let bytes = without_delimiter_line(bytes);
        let tables = [b',', b';', b'\t'].into_iter().filter_map(|delimiter| {
            let columns = header_of(&bytes[..bytes.len().min(MAX_HEADER_BYTES)], delimiter)?;
            columns.are_known().then_some(Self { bytes, delimiter, columns })
        });
        tables.max_by_key(|table| (table.columns.hold_events(), table.columns.roles.len()))
    }
}

/// Spreadsheets take the line `sep=;` before the header for the name of the delimiter.
fn without_delimiter_line(bytes: &[u8]) -> &[u8] {
    match bytes {
        [b's', b'e', b'p', b'=', _, b'\r', b'\n', rest @ ..] | [b's', b'e', b'p', b'=', _, b'\n', rest @ ..] => rest,
        _ => bytes,
    }
}

fn reader_of(bytes: &[u8], delimiter: u8) -> csv::Reader<&[u8]> {
    ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bytes)
}

fn header_of(bytes: &[u8], delimiter: u8) -> Option<Columns> {
    let mut header = ByteRecord::new();
    let is_read = reader_of(bytes, delimiter).read_byte_record(&mut header).ok()?;
    let names = header.iter().map(String::from_utf8_lossy).collect::<Vec<_>>();
    let is_text = names.iter().all(|name| !name.contains('{'));
    (is_read && is_text).then(|| Columns::of(names.iter().map(AsRef::as_ref)))
}

impl Reading<'_> {
    /// Reads a CSV text's rows.
    pub(super) fn csv(&mut self, table: &Csv<'_>, depth: u32) {
        if !table.columns.hold_events() {
            let reason =
                "a table without the columns of CloudTrail events: `Event name` and `Event source`, or `eventJson`";
            return self.reject_whole(reason.to_owned(), table.bytes);
        }
        let mut reader = reader_of(table.bytes, table.delimiter);
        let (mut header, mut row) = (ByteRecord::new(), ByteRecord::new());
        while !self.is_over() {
            let start = offset_of(&reader);
            match reader.read_byte_record(&mut row) {
                Ok(false) => break,
                Ok(true) if header.is_empty() => header = row.clone(),
                Ok(true) if row == header => self.note(format!("its header once more, at byte {start}")),
                Ok(true) => self.csv_row(table, &row, start..offset_of(&reader), depth),
                Err(error) => return self.reject_whole(format!("the CSV text cannot be read: {error}"), table.bytes),
            }
        }
    }

    fn csv_row(&mut self, table: &Csv<'_>, row: &ByteRecord, range: std::ops::Range<usize>, depth: u32) {
        let start = range.start;
        let raw = &table.bytes[range.start..range.end.min(table.bytes.len())];
        let is_last = range.end >= table.bytes.len();
        let cells = match self.failure.take_if(|_| is_last).map_or_else(|| cells_of(table, row, raw), Err) {
            Ok(cells) => cells,
            Err(reason) => return self.reject(start, reason, raw),
        };
        self.row(&table.columns, &cells, start, depth);
    }

    fn row(&mut self, columns: &Columns, cells: &[Cow<'_, str>], start: usize, depth: u32) {
        if let Some(whole) = columns.whole(cells) {
            return self.inner_text_of_row(whole, start, depth);
        }
        let (text, detail_level) = columns.record_text(cells);
        match EventRecord::parse(&text) {
            Ok(mut record) => self.parsed(&Document::inner(&text, depth, detail_level), start, &mut record),
            Err(error) => self.reject(start, error.to_string(), text.as_bytes()),
        }
    }

    fn inner_text_of_row(&mut self, text: &str, start: usize, depth: u32) {
        if text.trim().is_empty() {
            return self.reject(start, "a row whose record is empty".to_owned(), text.as_bytes());
        }
        self.inner_text(text, depth + 1, DetailLevel::Full);
    }

    /// Reads one row of a query's result in JSON: `[{"field":name,"value":cell},…]` or `[{name:cell},…]`.
    pub(super) fn table_row<'d>(
        &mut self,
        document: &mut Document<'d>,
        scanner: &mut Scanner<'d>,
    ) -> Result<(), SyntaxError> {
        let start = scanner.position();
        let bytes = &document.bytes[scanner.value()?];
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                self.reject(start, RecordError::Encoding(error.valid_up_to()).to_string(), bytes);
                return Ok(());
            }
        };
        let (names, cells): (Vec<_>, Vec<_>) = json::elements(text).flat_map(cells_of_element).unzip();
        let columns = Columns::of(names.iter().map(AsRef::as_ref));
        if columns.hold_events() {
            self.row(&columns, &cells, start, document.depth);
        } else {
            self.reject(start, "a row without `eventSource` and `eventName`, or `eventJson`".to_owned(), bytes);
        }
        Ok(())
    }

    /// Reads the rows of what `aws athena get-query-results` prints: the first one has the names of the columns, but on later pages. False
    /// where they are not those of events.
    pub(super) fn athena_result(&mut self, document: &Document<'_>, start: usize, result: &str) -> bool {
        let described = member(result, "ResultSetMetadata").and_then(|raw| member(raw, "ColumnInfo")).unwrap_or("");
        let described: Vec<_> =
            json::elements(described).map(|column| cell_text(member(column, "Name").unwrap_or("null"))).collect();
        let mut rows = json::elements(member(result, "Rows").unwrap_or("")).peekable();
        let first = rows.peek().map(|row| athena_cells(row)).unwrap_or_default();
        if described.is_empty() || described == first {
            rows.next();
        }
        let names = if described.is_empty() { first } else { described };
        let columns = Columns::of(names.iter().map(AsRef::as_ref));
        if !columns.hold_events() {
            return false;
        }
        for row in rows {
            let cells = athena_cells(row);
            match cells.len() == names.len() {
                true => self.row(&columns, &cells, start, document.depth),
                false => {
                    let reason = format!("{} cells where the header names {}", cells.len(), names.len());
                    self.reject(start, reason, row.as_bytes());
                }
            }
        }
        true
    }
}

fn member<'r>(raw: &'r str, wanted: &str) -> Option<&'r str> {
    json::members(raw).find(|(name, _)| *name == wanted).map(|(_, raw)| raw)
}

/// The cells of `{"Data":[{"VarCharValue":cell},…]}`; one without a value is null.
fn athena_cells(row: &str) -> Vec<Cow<'_, str>> {
    let cells = json::elements(member(row, "Data").unwrap_or(""));
    cells.map(|cell| cell_text(member(cell, "VarCharValue").unwrap_or("null"))).collect()
}

fn offset_of(reader: &csv::Reader<&[u8]>) -> usize {
    usize::try_from(reader.position().byte()).unwrap_or(usize::MAX)
}

/// A row's cells as text, as many as the header names.
fn cells_of<'r>(table: &Csv<'_>, row: &'r ByteRecord, raw: &[u8]) -> Result<Vec<Cow<'r, str>>, String> {
    let expected = table.columns.roles.len();
    if row.len() != expected {
        return Err(format!("{} cells where the header names {expected}", row.len()));
    }
    // An even number of quotes, doubled ones included, unless the text ends inside a cell.
    if memchr::memchr_iter(b'"', raw).count() % 2 == 1 {
        return Err("the text ends inside a quoted cell".to_owned());
    }
    let cell =
        |cell: &'r [u8]| std::str::from_utf8(cell).map(Cow::Borrowed).or(Err("a cell that is not UTF-8".to_owned()));
    row.iter().map(cell).collect()
}

/// The named cells of one element of a row.
fn cells_of_element(element: &str) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let members: Vec<_> = json::members(element).collect();
    let value = |wanted: &str| members.iter().find(|(name, _)| *name == wanted).map(|(_, raw)| *raw);
    match (value("field"), value("value")) {
        (Some(field), Some(cell)) if members.len() == 2 => vec![(cell_text(field), cell_text(cell))],
        _ => members.iter().map(|(name, cell)| (json::unescape(name), cell_text(cell))).collect(),
    }
}

fn cell_text(raw: &str) -> Cow<'_, str> {
    match raw {
        "null" => Cow::Borrowed(""),
        _ => json::string_value(raw).unwrap_or(Cow::Borrowed(raw)),
    }
}

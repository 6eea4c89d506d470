//! What is damaged, hostile or huge: detected every time, at the cost of itself only, with bounded memory and time.

use super::*;
use crate::compression::{InflateFailure, Inflater};

/// Counts only, so that large files leave no copies.
#[derive(Default)]
struct Counts {
    records: u64,
    rejects: Vec<String>,
    longest_text: usize,
}

impl RecordSink for Counts {
    fn record(&mut self, _index: u64, record: &EventRecord<'_>) {
        self.records += 1;
        self.longest_text = self.longest_text.max(record.text().len());
    }

    fn reject(&mut self, reject: Reject<'_>) {
        self.rejects.push(reject.reason);
    }
}

fn count(bytes: &[u8], max_bytes: usize) -> (FileOutcome, Counts) {
    let mut counts = Counts::default();
    let outcome = FileDecoder::with_max_file_bytes(max_bytes).decode(bytes, &mut counts);
    (outcome, counts)
}

/// Whether the file says that something is wrong with it.
fn is_told(outcome: &FileOutcome, collected: &Collected) -> bool {
    !collected.rejects.is_empty() || !outcome.notes.is_empty()
}

#[test]
fn r12_every_cut_of_a_gzip_file_is_told() {
    let whole = gzip(records(3).as_bytes());
    for length in 1..whole.len() {
        let (_, collected) = decode(&whole[..length]);
        assert_eq!(collected.rejects.len(), 1, "cut to {length}: {:?}", collected.reasons());
        let is_recognised = length > 2;
        assert_eq!(
            collected.reasons()[0].contains("cut short"),
            is_recognised,
            "cut to {length}: {:?}",
            collected.reasons()
        );
        assert!(records(3).contains(&collected.texts().join(",")), "nothing else than what was there");
    }
}

#[test]
fn r12_every_flipped_bit_of_a_gzip_file_is_told() {
    let text = records(2);
    let whole = gzip(text.as_bytes());
    let (_, sound) = decode(&whole);
    let mut unnoticed = Vec::new();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (outcome, collected) = decode(&damaged);
        if !is_told(&outcome, &collected) {
            assert_eq!(collected.records, sound.records, "bit {bit}");
            unnoticed.push(bit);
        }
    }
    // Header: "is text", time stamp, extra flags, system. Body: bits behind the end of the deflate stream, which ends inside a byte.
    let body_end = (whole.len() - 9) * 8;
    let is_without_meaning =
        |bit: &usize| *bit == 24 || (32..80).contains(bit) || (body_end..body_end + 8).contains(bit);
    assert!(unnoticed.iter().all(is_without_meaning), "{unnoticed:?}");
    assert!(unnoticed.len() < 57);
}

#[test]
fn r12_a_wrong_checksum_or_length_costs_the_member_and_no_other() {
    let [first, second, third] = [event(1), event(2), event(3)].map(|text| gzip(text.as_bytes()));
    for from_end in 1..=8 {
        let mut damaged = second.clone();
        let at = damaged.len() - from_end;
        damaged[at] ^= 0x40;
        let (outcome, collected) = decode(&damaged);
        assert_eq!(
            (collected.records.len(), outcome.kind),
            (0, LogFileKind::Unknown),
            "alone, {from_end} from the end"
        );
        assert_eq!((collected.rejects[0].0, collected.rejects[0].2.as_slice()), (None, damaged.as_slice()));
        let (outcome, collected) = decode(&[first.as_slice(), &damaged, &third].concat());
        assert_eq!(collected.texts(), [event(1)], "members before the damage are taken");
        assert_eq!((outcome.rejected_count, outcome.kind), (1, LogFileKind::Events));
        let (_, collected) = decode(&zip(&[("a", &first), ("b", &damaged), ("c", &third)]));
        assert_eq!((collected.texts().len(), collected.rejects.len()), (2, 1), "other entries are taken");
        assert!(
            collected.reasons()[0].starts_with("entry `b`: the packed data is damaged"),
            "{:?}",
            collected.reasons()
        );
    }
}

#[test]
fn r12_what_follows_a_member_is_told() {
    let first = gzip(event(1).as_bytes());
    let (outcome, collected) = decode(&[first.as_slice(), b"\0\0\0"].concat());
    assert_eq!((collected.texts().len(), collected.rejects.len(), outcome.notes.len()), (1, 0, 1));
    let (_, collected) = decode(&[first.as_slice(), &gzip(event(2).as_bytes()), b"x"].concat());
    assert_eq!((collected.texts().len(), collected.rejects.len()), (2, 1));
    // A member whose first bytes are damaged, or stand behind something else, is no gzip any more.
    for between in [b"\0\0".as_slice(), b"\n", b"{}"] {
        let (_, collected) = decode(&[first.as_slice(), between, &first].concat());
        assert_eq!((collected.texts().len(), collected.rejects.len()), (1, 1), "{between:?}");
    }
    let (outcome, collected) = decode(&[first.as_slice(), &first[..15]].concat());
    assert_eq!((collected.texts().len(), collected.reasons()), (1, vec!["the packed data is cut short"]));
    assert_eq!(outcome.kind, LogFileKind::Events);
}

#[test]
fn r12_zstd_is_read_as_strictly() {
    let whole = zstd(records(3).as_bytes());
    for length in 4..whole.len() {
        let (_, collected) = decode(&whole[..length]);
        assert!(!collected.rejects.is_empty(), "cut to {length}");
    }
    let both = [zstd(event(1).as_bytes()), zstd(event(2).as_bytes())].concat();
    assert_eq!(texts(&both).len(), 2);
    let (outcome, collected) = decode(&[zstd(event(1).as_bytes()), b"tail".to_vec()].concat());
    assert!(is_told(&outcome, &collected));
}

#[test]
fn r13_damage_inside_text_has_a_documented_outcome() {
    let member = |value: &str| EVENT.replace(r#""eventID":"e-1""#, &format!(r#""eventID":"e-1","new":{value}"#));
    for (value, is_taken) in [
        (r#""\ud800""#, true),
        (r#""\udc00\ud800""#, true),
        (r#""\u0000""#, true),
        (r#""\uFFFF""#, true),
        ("\"\u{feff}\"", true),
        ("\"\u{7f}\"", true),
        ("\u{feff}1", false),
        ("\"\0\"", false),
        ("\"\t\"", false),
        ("\0", false),
        (r#""\u00""#, false),
        ("'x'", false),
        ("1,", false),
    ] {
        let text = format!(r#"{{"Records":[{},{},{}]}}"#, event(1), member(value), event(2));
        let (_, collected) = decode(text.as_bytes());
        let expected = if is_taken { 3 } else { 2 };
        assert_eq!(collected.records.len(), expected, "{value}: {:?}", collected.reasons());
        assert_eq!(collected.rejects.len(), 3 - expected, "{value}");
        assert!(!is_taken || collected.texts()[1] == member(value), "kept as it stands");
    }
    for bytes in [b"\xff".as_slice(), b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"] {
        let text = [br#"{"Records":["#, event(1).as_bytes(), b",{\"a\":\"", bytes, b"\"},", event(2).as_bytes(), b"]}"]
            .concat();
        let (_, collected) = decode(&text);
        assert_eq!((collected.records.len(), collected.reasons()), (2, vec!["not UTF-8 at byte 6 of the record"]));
    }
    let (_, collected) = decode(format!("{EVENT}\0\0\0").as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 1), "padding is told");
}

#[test]
fn one_bad_record_costs_itself_only() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for bad in [
        r#"{"a":01}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":1,}"#,
        "7",
        "nul",
        "[]",
        r#"["x"]"#,
        r#"{"eventVersion":"2.0","eventSource":"x","eventName":"y"}"#,
        r#"{"a":1}"#,
        deep.as_str(),
    ] {
        for list in ["Records", "Events", "logEvents"] {
            let text = format!(r#"{{"{list}":[{EVENT},{bad},{EVENT}]}}"#);
            let (outcome, collected) = decode(text.as_bytes());
            let shown = &bad[..bad.len().min(80)];
            assert_eq!(collected.records.len(), 2, "{shown}: {:?}", collected.reasons());
            assert_eq!(collected.rejects[0].2, bad.as_bytes(), "{shown}");
            assert_eq!((outcome.record_count, outcome.rejected_count, collected.rejects[0].0), (3, 1, Some(1)));
        }
    }
}

#[test]
fn good_records_behind_many_rejects_are_taken() {
    let bad = "{\"level\":\"info\"}\n".repeat(100_002);
    let (outcome, counts) = count(format!("{bad}{EVENT}\n{}", event(1)).as_bytes(), MAX_FILE_BYTES);
    assert_eq!((counts.records, outcome.record_count, outcome.rejected_count), (2, MAX_REJECTS + 3, MAX_REJECTS + 1));
    let entries = tar(&[("app.log", bad.as_bytes()), ("b.json", EVENT.as_bytes())]);
    let (outcome, counts) = count(&entries, MAX_FILE_BYTES);
    assert_eq!((counts.records, outcome.rejected_count), (1, MAX_REJECTS + 1));
    let last = counts.rejects.last().expect("a reject");
    let told = "2 more after the first 100000 could not be taken, and are not kept; the first, at byte 1700000: entry `app.log`: ";
    assert!(last.starts_with(told), "{last}");
}

#[test]
fn a_line_above_the_records_costs_itself() {
    for (head, behind) in
        [("# exported by x\n", ""), ("some header, {\n", ""), ("two\nlines\n", ""), ("head\n", "\ntail")]
    {
        let text = format!("{head}{EVENT}\n{}{behind}", event(1));
        let (_, collected) = decode(text.as_bytes());
        assert_eq!(collected.texts(), [EVENT, &event(1)], "{text}");
        assert_eq!(collected.rejects[0].2, head.as_bytes(), "{text}");
        assert_eq!(collected.rejects.len(), 1 + usize::from(!behind.is_empty()), "{text}");
    }
}

#[test]
fn a_bad_line_costs_one_line() {
    let text = format!("{EVENT}\n{{\"a\":\n{EVENT}\n");
    let (_, collected) = decode(text.as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1));
}

#[test]
fn a_cut_text_keeps_what_came_before() {
    let text = records(2);
    for length in 1..text.len() {
        let (_, collected) = decode(&text.as_bytes()[..length]);
        assert_eq!(collected.rejects.len(), 1, "cut at {length}: {:?}", collected.reasons());
    }
}

#[test]
fn r12_an_array_of_a_record_a_line_is_read_once_however_it_ends() {
    for separator in ["", "\n", "\r\n", "\n  "] {
        for (open, close) in [("[", "]"), (r#"{"Records":["#, "]}"), (r#"{"Events":["#, "]}"), ("[[", "]]")] {
            let [first, second] = [event(1), event(2)].map(|text| format!("{separator}{text}"));
            for (end, rest) in [
                (format!(",{separator}{close}"), format!(",{separator}")),
                (format!(",{separator}"), format!(",{separator}")),
                (format!(",{separator}{}", &EVENT[..300]), EVENT[..300].to_owned()),
            ] {
                let text = format!("{open}{first},{second}{end}");
                let (outcome, collected) = decode(text.as_bytes());
                assert_eq!(collected.texts(), [event(1), event(2)], "{text}");
                let rejects: Vec<_> =
                    collected.rejects.iter().map(|(_, _, raw)| String::from_utf8_lossy(raw)).collect();
                assert_eq!((outcome.record_count, rejects.as_slice()), (3, [rest.into()].as_slice()), "{text}");
            }
        }
    }
}

#[test]
fn a_record_without_an_end_costs_none_of_the_lines_behind_it() {
    for (open, close) in [("[", "]"), (r#"{"Records":["#, "]}")] {
        let lines = [event(1), "{\"a\":[\"".to_owned(), event(2), event(3)];
        let array = format!("{open}\n{}\n{close}\n", lines.join(",\n"));
        let text = format!("{array}{array}");
        let (outcome, collected) = decode(text.as_bytes());
        let taken = [event(1), event(2), event(3)];
        assert_eq!(collected.texts(), [taken.clone(), taken].concat(), "{:?}", collected.reasons());
        assert_eq!((outcome.record_count, collected.rejects.len()), (8, 2), "{:?}", collected.rejects);
        assert_eq!(collected.rejects[0].2, b"{\"a\":[\",\n");
    }
}

#[test]
fn r14_one_bad_record_among_ten_thousand() {
    let bad = r#"{"eventSource":"kms.amazonaws.com","eventName":}"#;
    let mut all: Vec<String> = (0..10_000).map(event).collect();
    all[7_000] = bad.to_owned();
    let text = format!(r#"{{"Records":[{}]}}"#, all.join(","));
    let (outcome, collected) = decode_up_to(&gzip(text.as_bytes()), MAX_FILE_BYTES);
    assert_eq!((collected.records.len(), outcome.record_count, outcome.rejected_count), (9_999, 10_000, 1));
    let (index, reason, raw) = &collected.rejects[0];
    assert_eq!((*index, raw.as_slice()), (Some(7_000), bad.as_bytes()));
    let offset = usize::try_from(collected.offsets[0]).expect("small");
    assert_eq!(offset, text.find(bad).expect("the bad record"));
    assert_eq!(reason, &format!("not valid JSON: expected a value at byte {}", offset + bad.len() - 1));
    assert_eq!(collected.records[7_000].0, 7_001);
}

/// About 10 MB of gzip that unpack to 10 GB, members of 1 GiB of zeros.
fn gzip_bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let zeros = vec![0_u8; 1 << 20];
    (0..1024).for_each(|_| encoder.write_all(&zeros).expect("memory"));
    encoder.finish().expect("memory").repeat(10)
}

/// The most memory that this process ever held, in bytes; 0 where the system does not say.
fn peak_memory() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[test]
fn r15_a_bomb_is_refused_with_flat_memory() {
    let bomb = gzip_bomb();
    assert!((10_000_000..11_000_000).contains(&bomb.len()), "{}", bomb.len());
    let mut out = Vec::new();
    let inflated = Inflater::new(MAX_FILE_BYTES).inflate(&bomb, &mut out);
    assert_eq!((inflated.failure, out.len()), (Some(InflateFailure::TooLarge(MAX_FILE_BYTES)), 0));
    assert!(out.capacity() <= 256 << 20, "took {} bytes before it refused", out.capacity());
    let (outcome, counts) = count(&bomb, MAX_FILE_BYTES);
    assert_eq!((outcome.kind, outcome.uncompressed_bytes), (LogFileKind::Unknown, 0));
    assert_eq!(counts.rejects, [format!("the file unpacks to more than {MAX_FILE_BYTES} bytes")]);
    assert!(outcome.notes.is_empty(), "what was not unpacked is no padding: {:?}", outcome.notes);
}

#[test]
fn r15_bombs_of_every_packing_are_refused_at_the_cap() {
    let zeros = vec![b' '; 3 << 20];
    let cap = 1 << 20;
    for bomb in [
        gzip(&zeros),
        gzip(&gzip(&zeros)),
        zstd(&zeros),
        gzip(&zstd(&zeros)),
        zip(&[("a", &zeros)]),
        gzip(&tar(&[("a", &zeros[..cap / 2]), ("b", &zeros)])),
    ] {
        let (_, counts) = count(&bomb, cap);
        assert_eq!(counts.records, 0);
        let is_refused =
            counts.rejects.iter().any(|reason| reason.ends_with("the file unpacks to more than 1048576 bytes"));
        assert!(is_refused, "{:?}", counts.rejects);
    }
}

#[test]
fn r15_the_cap_is_over_all_members_entries_and_wrappers() {
    let part = format!("{EVENT}{}", " ".repeat(400_000));
    let cap = 1 << 20;
    let entries: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|name| (name, part.as_bytes())).collect();
    let (_, counts) = count(&zip(&entries), cap);
    assert_eq!(counts.records, 2, "what fits is read");
    assert_eq!(counts.rejects, ["entry `c`: the file unpacks to more than 1048576 bytes"]);
    let members = gzip(part.as_bytes()).repeat(4);
    assert_eq!(count(&members, cap).1.records, 0, "a file is unpacked before it is read");
    let mut nested = quoted(&format!("{EVENT}{}", " ".repeat(400_000)));
    nested = format!(r#"[{nested},{nested},{nested},{nested}]"#);
    let (_, counts) = count(nested.as_bytes(), cap);
    assert_eq!((counts.records, counts.rejects.len()), (2, 1), "{:?}", counts.rejects);
}

#[test]
fn a_size_that_lies_is_found_out() {
    let whole = zip(&[("a", &vec![b' '; 200_000])]);
    let stated = 200_000_u32.to_le_bytes();
    let mut lying = whole.clone();
    for place in memchr::memmem::find_iter(&whole, &stated) {
        lying[place..place + 4].copy_from_slice(&100_u32.to_le_bytes());
    }
    let (_, counts) = count(&lying, 1 << 20);
    assert_eq!(counts.rejects.len(), 1, "{:?}", counts.rejects);
    assert!(counts.rejects[0].contains("the zip entry is damaged"), "{:?}", counts.rejects);
}

#[test]
fn packings_inside_each_other_end_somewhere() {
    let mut packed = EVENT.as_bytes().to_vec();
    for _ in 0..MAX_WRAPPERS {
        packed = gzip(&packed);
    }
    assert_eq!(texts(&packed), [EVENT]);
    let (_, collected) = decode(&gzip(&packed));
    assert_eq!(collected.reasons(), ["packed more than 8 times"]);
    let mut wrapped = quoted(EVENT);
    for _ in 0..MAX_WRAPPERS {
        wrapped = quoted(&format!(r#"{{"message":{wrapped}}}"#));
    }
    let (_, collected) = decode(wrapped.as_bytes());
    assert_eq!((collected.records.len(), collected.reasons()), (0, vec!["wrapped more than 8 times"]));
}

#[test]
fn r16_nesting_costs_neither_stack_nor_time() {
    const DEPTH: usize = 100_000;
    let nested = |open: &str, close: &str| open.repeat(DEPTH) + &close.repeat(DEPTH);
    for text in [
        nested("[", "]"),
        nested("{\"a\":", "}"),
        "[".repeat(DEPTH),
        "{\"a\":[".repeat(DEPTH),
        nested("{\"Records\":[", "]}"),
        "{\"Records\":[".repeat(DEPTH),
        nested("{\"detail\":", "}"),
        nested("[{\"message\":", "}]"),
        nested("{\"results\":[[", "]]}"),
        EVENT.replace(r#"{"encryptionContext""#, &format!(r#"{{"x":{},"encryptionContext""#, nested("[", "]"))),
        EVENT.replace(r#""Decrypt""#, &nested("[", "]")),
        EVENT.replace(
            r#""011122223333","userName""#,
            &format!(r#"{},"userName""#, nested("{\"a\":", "}").replace("::", ":1:")),
        ),
    ] {
        let (_, counts) = count(text.as_bytes(), MAX_FILE_BYTES);
        assert_eq!(counts.records, 0, "{}", &text[..60]);
        assert!(!counts.rejects.is_empty() && counts.rejects.len() < 20, "{}: {:?}", &text[..60], counts.rejects.len());
    }
    let neighbours = format!(r#"{{"Records":[{EVENT},{},{EVENT}]}}"#, EVENT.replace(r#""Decrypt""#, &nested("[", "]")));
    assert_eq!(count(neighbours.as_bytes(), MAX_FILE_BYTES).1.records, 2);
}

#[test]
fn broken_lines_without_end_cost_no_more_than_their_length() {
    let lines = "{\"a\":[\n".repeat(300_000);
    let (outcome, counts) = count(lines.as_bytes(), MAX_FILE_BYTES);
    assert_eq!((counts.records, outcome.rejected_count), (0, MAX_REJECTS + 1));
    let last = counts.rejects.last().expect("a reject");
    assert!(
        last.starts_with(
            "200000 more after the first 100000 could not be taken, and are not kept; the first, at byte 700000: "
        ),
        "{last}"
    );
    let scalars = format!("[{}1]", "1,".repeat(300_000));
    assert_eq!(count(scalars.as_bytes(), MAX_FILE_BYTES).0.rejected_count, MAX_REJECTS + 1);
}

#[test]
fn r17_long_lines_and_long_strings() {
    let many = (52 << 20) / EVENT.len();
    let line = records(many);
    assert!(line.len() > 50_000_000 && !line.contains('\n'));
    let packed = gzip(line.as_bytes());
    drop(line);
    let (outcome, counts) = count(&packed, MAX_FILE_BYTES);
    assert_eq!((counts.records, counts.rejects.len()), (many as u64, 0));
    assert!(outcome.uncompressed_bytes > 50_000_000);

    let long = EVENT.replace("alice", &"a".repeat(64 << 20));
    let text = format!(r#"{{"Records":[{},{long},{}]}}"#, event(1), event(2));
    let (_, counts) = count(text.as_bytes(), MAX_FILE_BYTES);
    assert_eq!((counts.records, counts.rejects.len(), counts.longest_text), (3, 0, long.len()));
    let unclosed = format!(r#"{{"Records":[{},{{"a":"{}"#, event(1), "a".repeat(64 << 20));
    let (_, counts) = count(unclosed.as_bytes(), MAX_FILE_BYTES);
    assert_eq!((counts.records, counts.rejects.len()), (1, 1));
    assert!(peak_memory() < 2 << 30, "{}", peak_memory());
}

/// A text in one of the packings.
fn packed(text: &[u8], packing: usize) -> Vec<u8> {
    match packing {
        0 => text.to_vec(),
        1 => gzip(text),
        2 => zstd(text),
        3 => zip(&[("a", text), ("b.gz", &gzip(text))]),
        _ => tar(&[("a", text), ("b.gz", &gzip(text))]),
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn any_damage_to_any_shape_is_survived(
        shape in 0..usize::MAX,
        packing in 0..5_usize,
        inner_changes in proptest::collection::vec((0..usize::MAX, proptest::num::u8::ANY), 0..3),
        outer_changes in proptest::collection::vec((0..usize::MAX, proptest::num::u8::ANY), 0..2),
        cut in proptest::option::of(0..usize::MAX),
    ) {
        let shapes = [shapes::full_shapes(), shapes::reencoded_shapes()].concat();
        let mut text = shapes[shape % shapes.len()].clone().into_bytes();
        for (at, byte) in inner_changes {
            let at = at % text.len();
            text[at] = byte;
        }
        let mut bytes = packed(&text, packing);
        for (at, byte) in outer_changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| cut % bytes.len()));
        // The accounts are checked there, and that the columns take what is read.
        let (_, mut collected) = decode(&bytes);
        collected.builder.finish();
    }

    #[test]
    fn any_text_is_survived(text in r#"[\[\]{}:,"\\a0-9TZ\- \n\tRecordsEvent]{0,60}"#) {
        let (outcome, _) = decode(text.as_bytes());
        proptest::prop_assert_eq!(outcome.kind == LogFileKind::Empty, text.trim_ascii().is_empty());
    }
}

//! Logs that others wrote, against counts by an independent reader. See [`corpus`] for where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use keytrail_convert::EVENTS;
use keytrail_events::{DetailLevel, EventRecord, Field, FileDecoder, RecordKind, RecordSink, Reject, event_id};
use keytrail_testkit::corpus;

use crate::support::TestLake;

/// The corpus, unpacked, and the path of its manifest; `None` where there is none.
fn corpus(into: &Path) -> Option<PathBuf> {
    Some(corpus::unpack("corpus.tar.gz", &[], into)?.join("MANIFEST.tsv"))
}

/// One line of the manifest.
struct Expected {
    path: String,
    events: u64,
    unique_ids: usize,
    kms: u64,
    contexts: u64,
}

fn manifest(path: &Path) -> Vec<Expected> {
    let text = fs_err::read_to_string(path).expect("manifest");
    let line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let number = |field: usize| fields[field].parse::<u64>().unwrap_or(0);
        Expected {
            path: fields[0].to_owned(),
            events: number(4),
            unique_ids: usize::try_from(number(5)).expect("small"),
            kms: number(7),
            contexts: number(8),
        }
    };
    text.lines().skip(1).map(line).collect()
}

/// What a file holds, counted as the manifest counts: records without an id have none, and a context of any kind is one.
#[derive(Default)]
struct Counts {
    events: u64,
    ids: BTreeSet<String>,
    kms: u64,
    contexts: u64,
}

impl RecordSink for Counts {
    fn record(&mut self, _index: u64, record: &EventRecord<'_>) {
        self.events += 1;
        self.ids.extend(record.text_of(Field::EventId).map(str::to_owned));
        self.kms += u64::from(record.text_of(Field::EventSource) == Some("kms.amazonaws.com"));
        let parameters = record.text_of(Field::RequestParameters).unwrap_or("");
        self.contexts += u64::from(parameters.contains("ncryptionContext"));
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

#[test]
fn every_file_counts_as_its_manifest_says() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(manifest_path) = corpus(folder.path()) else { return };
    let expected = manifest(&manifest_path);
    assert!(expected.len() > 300, "the manifest was read");
    let mut decoder = FileDecoder::new();
    let mut wrong = Vec::new();
    // Query results hold events too, which the manifest does not count.
    for file in expected.iter().filter(|file| !file.path.contains("query-lake-examples-")) {
        let mut counts = Counts::default();
        let outcome = decoder.decode(&fs_err::read(folder.path().join(&file.path)).expect("file"), &mut counts);
        // The manifest counts records of every kind; keytrail takes API events and counts the others by their kind.
        let ignored: u64 = outcome.ignored.values().sum();
        let network = outcome.ignored.get(&RecordKind::NetworkActivity).copied().unwrap_or(0);
        let found = (counts.events + ignored, counts.kms + network, counts.contexts);
        let wanted = (file.events, file.kms, file.contexts);
        if ignored == 0 && counts.ids.len() != file.unique_ids {
            wrong.push(format!("{}: found {} ids, the manifest says {}", file.path, counts.ids.len(), file.unique_ids));
        }
        if found != wanted {
            wrong.push(format!("{}: found {found:?}, the manifest says {wanted:?}", file.path));
        }
    }
    assert!(wrong.is_empty(), "events, kms, contexts differ in {} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// Takes the text of each record with its level of detail, by event id.
#[derive(Default)]
struct Texts(BTreeMap<String, BTreeSet<(DetailLevel, String)>>);

impl RecordSink for Texts {
    fn record(&mut self, _index: u64, record: &EventRecord<'_>) {
        let texts = self.0.entry(event_id(record).into_owned()).or_default();
        texts.insert((record.detail_level(), record.text().to_owned()));
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect(text)
}

#[tokio::test]
async fn the_lake_gives_every_record_back_byte_for_byte() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(manifest_path) = corpus(folder.path()) else { return };
    let mut decoder = FileDecoder::new();
    let mut source = Texts::default();
    for file in manifest(&manifest_path) {
        decoder.decode(&fs_err::read(folder.path().join(&file.path)).expect("file"), &mut source);
    }
    let lake = TestLake::new();
    let summary = lake.convert(folder.path()).await;
    let texts = lake.texts().await;
    assert_eq!(summary.rows, texts.len() as u64);
    assert!(summary.conflicts > 0, "the documentation uses one id for several events");
    let known: BTreeSet<&String> = source.0.values().flatten().map(|(_, text)| text).collect();
    assert!(texts.iter().all(|text| known.contains(text)), "every row is the exact text of a record");
    // No record is lost: white space aside, each full one is a row, and each of less detail has its event in the lake.
    let values: BTreeSet<String> = texts.iter().map(|text| value(text).to_string()).collect();
    let ids: BTreeSet<String> = lake.column(EVENTS, "event_id").await.into_iter().collect();
    for (id, texts) in &source.0 {
        assert!(ids.contains(id), "{id}");
        for (level, text) in texts {
            assert!(*level > DetailLevel::Full || values.contains(&value(text).to_string()), "{text}");
        }
    }
    assert_eq!(lake.findings().await, Vec::<String>::new());
}

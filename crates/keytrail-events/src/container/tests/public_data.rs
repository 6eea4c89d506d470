//! Data that others wrote: JSONTestSuite and the corpus of CloudTrail logs, where there is a corpus ([`corpus`]).

use std::path::{Path, PathBuf};

use keytrail_testkit::corpus;

use super::*;

/// Unpacks an archive of the corpus; `None` where there is none. Also the corpus's folder.
fn unpacked(name: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    let folder = tempfile::tempdir().expect("folder");
    let corpus = corpus::unpack(name, &[], folder.path())?;
    Some((folder, corpus))
}

/// The suite's cases: name and content, in the order of their names.
fn cases(folder: &Path, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = find_folder(folder, "test_parsing").expect("the suite");
    let mut cases: Vec<_> = fs_err::read_dir(folder)
        .expect("folder")
        .map(|entry| entry.expect("entry"))
        .map(|entry| (entry.file_name().into_string().expect("name"), entry.path()))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, path)| (name, fs_err::read(path).expect("case")))
        .collect();
    cases.sort();
    cases
}

fn find_folder(root: &Path, name: &str) -> Option<PathBuf> {
    let folders =
        fs_err::read_dir(root).expect("folder").map(|entry| entry.expect("entry").path()).filter(|path| path.is_dir());
    folders.into_iter().find_map(|path| if path.ends_with(name) { Some(path) } else { find_folder(&path, name) })
}

/// Whether a file was refused for its JSON, not for what the JSON means.
fn is_refused_as_json(collected: &Collected) -> bool {
    let is_syntax = |reason: &str| reason.contains("not valid JSON") || reason.contains(" at byte ");
    collected.reasons().iter().any(|reason| is_syntax(reason))
}

/// Files that are no JSON value and read all the same: nothing in them, or several values one behind the other.
const READ_ANYWAY: [&str; 4] = [
    "n_single_space.json",
    "n_structure_UTF8_BOM_no_data.json",
    "n_structure_double_array.json",
    "n_structure_no_data.json",
];

#[test]
fn r13_the_suite_as_whole_files() {
    let Some((folder, _)) = unpacked("suites.tar.gz") else { return };
    let accepted = cases(folder.path(), "y_");
    let refused = cases(folder.path(), "n_");
    assert_eq!((accepted.len(), refused.len()), (95, 188));
    for (name, content) in accepted {
        let (_, collected) = decode(&content);
        assert!(!is_refused_as_json(&collected), "{name}: {:?}", collected.reasons());
    }
    for (name, content) in refused {
        let (outcome, collected) = decode(&content);
        let is_read_anyway = READ_ANYWAY.contains(&name.as_str());
        assert_eq!(collected.rejects.is_empty(), is_read_anyway, "{name}: {:?}", collected.reasons());
        assert_eq!(collected.records.len(), 0, "{name}");
        assert!(!is_read_anyway || matches!(outcome.kind, LogFileKind::Empty | LogFileKind::Events), "{name}");
    }
    for (name, content) in cases(folder.path(), "i_") {
        let (_, collected) = decode(&content);
        assert_eq!(collected.records.len(), 0, "{name}");
    }
}

#[test]
fn r13_the_suite_as_one_record_among_good_ones() {
    let Some((folder, _)) = unpacked("suites.tar.gz") else { return };
    let among = |content: &[u8]| {
        let (before, after) = (format!(r#"{{"Records":[{},"#, event(1)), format!(",{}]}}", event(2)));
        decode(&[before.as_bytes(), content, after.as_bytes()].concat()).1
    };
    for (name, content) in cases(folder.path(), "y_") {
        let collected = among(&content);
        assert!(!is_refused_as_json(&collected), "{name}: {:?}", collected.reasons());
        assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1), "{name}: JSON, but no event");
    }
    let mut kept_both = 0;
    for (name, content) in cases(folder.path(), "n_") {
        let collected = among(&content);
        assert!(is_refused_as_json(&collected), "{name}: {:?}", collected.reasons());
        assert!(collected.texts().contains(&event(1).as_str()), "{name}: the neighbour before it is kept");
        let extra = collected.texts().iter().filter(|text| **text != event(1) && **text != event(2)).count();
        assert_eq!(extra, 0, "{name}");
        kept_both += usize::from(collected.texts() == [event(1), event(2)]);
    }
    assert!(kept_both >= 145, "the neighbour behind it is kept where the framing survives: {kept_both}");
}

#[test]
fn r13_the_suite_as_request_parameters() {
    let Some((folder, _)) = unpacked("suites.tar.gz") else { return };
    let (head, tail) = EVENT
        .split_once(
            r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::b/k"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
        )
        .expect("parameters");
    for (name, content) in cases(folder.path(), "y_") {
        let text = [head.as_bytes(), &content, tail.as_bytes()].concat();
        let (_, mut collected) = decode(&text);
        assert_eq!(collected.records.len(), 1, "{name}: {:?}", collected.reasons());
        assert_eq!(collected.texts()[0].as_bytes(), text, "{name}: the exact text");
        let has_parameters = std::str::from_utf8(&content).is_ok_and(|text| json::members(text).next().is_some());
        let state = if has_parameters { "absent" } else { "unknown" };
        assert_eq!(collected.value("context_state").as_deref(), Some(state), "{name}");
    }
    for (name, content) in cases(folder.path(), "n_") {
        let text = [head.as_bytes(), &content, tail.as_bytes()].concat();
        let record = std::str::from_utf8(&text).ok().map(EventRecord::parse);
        assert!(!matches!(record, Some(Ok(_))), "{name}");
        let (_, collected) = decode(&text);
        assert!(is_refused_as_json(&collected), "{name}: {:?}", collected.reasons());
        // `{}}` closes the record early: what stands before that brace is one, what follows is refused.
        let is_closed_early = name == "n_structure_object_followed_by_closing_object.json";
        assert_eq!(collected.records.len(), usize::from(is_closed_early), "{name}");
    }
}

/// Query results, whose rows the manifest's script does not know for events.
const UNSEEN: [(&str, u64); 2] = [("query-lake-examples-01.json", 2), ("query-lake-examples-02.json", 3)];

#[test]
fn the_corpus_counts_as_its_manifest_says() {
    let Some((folder, shared)) = unpacked("corpus.tar.gz") else { return };
    let manifest = fs_err::read_to_string(shared.join("MANIFEST.tsv")).expect("manifest");
    let mut wrong = Vec::new();
    let mut total = 0;
    for line in manifest.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let path = fields[0];
        let unseen = UNSEEN.iter().find(|(file, _)| path.ends_with(file)).map_or(0, |(_, rows)| *rows);
        let expected = fields[4].parse::<u64>().unwrap_or(0) + unseen;
        let mut collected = Collected::default();
        let outcome = FileDecoder::new().decode(&fs_err::read(folder.path().join(path)).expect(path), &mut collected);
        // The manifest counts records of every kind, NetworkActivity among them.
        let found = collected.records.len() as u64 + outcome.ignored.values().sum::<u64>();
        total += found;
        if found != expected {
            wrong.push(format!("{path}: {found}, the manifest says {expected}"));
        }
    }
    assert_eq!(total, 3_989);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

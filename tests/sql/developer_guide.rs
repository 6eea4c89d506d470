//! Every example event of the KMS developer guide, classified as `developer_guide.tsv` says; each line of that table was reviewed
//! against the guide's text. The events are in the corpus ([`corpus`]).

use std::path::{Path, PathBuf};

use keytrail_testkit::corpus;

use crate::cells::{Cells, rows};
use crate::fixture::{folder, raw_session_over};

/// Folders of the corpus with the guide's examples.
const EXAMPLES: [&str; 2] = ["awsdocs+aws-kms-developer-guide", "aws-docs-recent"];

/// Several examples share an event id and differ in their texts; of equal ones the raw logs give one, whichever comes first.
const SQL: &str = "select distinct event_id, event_name, error_code, operation_class, outcome, key_role, key_resolution, \
                   right(key_arn, 12) as key, right(requested_key_ref, 24) as requested, context_state, use_mark, is_attested, \
                   account_side \
                   from kms_events order by event_name, event_id, key_role, key, requested, context_state, use_mark";

/// The examples, unpacked; `None` where there is no corpus.
fn examples(into: &Path) -> Option<Vec<PathBuf>> {
    corpus::unpack("corpus.tar.gz", &EXAMPLES, into)?;
    Some(EXAMPLES.map(|name| into.join(name)).to_vec())
}

fn line(row: Cells) -> String {
    row.into_iter().map(|cell| cell.unwrap_or("-".to_owned())).collect::<Vec<_>>().join("\t")
}

#[tokio::test]
async fn every_example_is_classified_as_the_reviewed_table_says() {
    let unpacked = tempfile::tempdir().unwrap();
    let Some(folders) = examples(unpacked.path()) else { return };
    let folders: Vec<_> = folders.iter().map(PathBuf::as_path).collect();
    let session = raw_session_over(&folders).await;
    let found: Vec<_> = rows(&session, SQL).await.into_iter().map(line).collect();
    let table = fs_err::read_to_string(folder().join("developer_guide.tsv")).unwrap();
    let expected: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).skip(1).collect();
    let differing: Vec<_> = found.iter().filter(|line| !expected.contains(&line.as_str())).collect();
    assert!(
        differing.is_empty(),
        "not in the table:\n{}",
        differing.iter().map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
    );
    assert_eq!(found.len(), expected.len());
}

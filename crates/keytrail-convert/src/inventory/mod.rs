//! What users hold beside the logs: the JSON that the AWS CLI prints about keys, aliases, policies, grants, last usage, IAM and
//! trails, as dated snapshots in the table `inventory`.
//!
//! The items are kept as AWS printed them; what they mean is told by the views that read them.

mod shapes;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Utc};
use keytrail_events::compression::{Inflater, is_gzip};
use keytrail_events::container::MAX_FILE_BYTES;
use keytrail_events::hash::sha256_hex;
use keytrail_events::kms::arn::key_id_of;
use keytrail_events::schema::{EVENT_GROUP, EventGroup};
use keytrail_lake::{DataFile, Lake, PartitionValues, Table, TransactionId};
use rustc_hash::FxHashSet;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use crate::error::ConvertError;
use crate::reading::read_columns;
use crate::spec::{EVENTS, INVENTORY, inventory_schema};
use shapes::{Item, KeyHint, items};

/// What an import is asked for.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Files, and folders whose `.json` files are taken at any depth.
    pub paths: Vec<PathBuf>,
    /// When the outputs were made; null = when each file was last written.
    pub snapshot_time: Option<DateTime<Utc>>,
    /// When the import began.
    pub started: DateTime<Utc>,
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportSummary {
    /// Files that were read, refused ones included.
    pub files: u64,
    /// Items by kind, the words of the column `item_kind`.
    pub items: BTreeMap<&'static str, u64>,
    /// Items about one key whose ARN could not be told.
    pub without_key: u64,
    /// Files with a page of a list that says that more follow, and none that says it is the last: what those hold is not known.
    pub truncated: Vec<PathBuf>,
    /// Files that were refused, and why.
    pub rejected: Vec<(PathBuf, String)>,
    /// Items that an earlier import, or another file of this one, has of the same moment: they are not added again.
    pub known_items: u64,
    /// All of them are: nothing was added.
    pub is_known: bool,
}

/// An item and where it comes from.
struct Found {
    item: Item,
    file: usize,
    index: i64,
}

impl Found {
    /// Whether it is about a key, and does not tell which.
    fn lacks_key(&self) -> bool {
        is_about_a_key(self.item.kind) && self.item.key.arn.is_none()
    }
}

struct SourceFile {
    path: String,
    snapshot_time: Option<DateTime<Utc>>,
}

/// What files hold, read and not in a lake yet.
pub struct Outputs {
    files: Vec<SourceFile>,
    found: Vec<Found>,
    started: DateTime<Utc>,
    summary: ImportSummary,
}

/// Reads the files and adds their items to the lake: see [`read_outputs`] and [`Outputs::add_to`].
///
/// # Errors
///
/// [`ConvertError::Lake`]; a path that cannot be read is a refused file.
pub async fn import(lake: &Lake, options: &ImportOptions) -> Result<ImportSummary, ConvertError> {
    read_outputs(options).add_to(lake).await
}

/// Reads the files. One that is not understood is refused as a whole and reported; the others are taken.
pub fn read_outputs(options: &ImportOptions) -> Outputs {
    let mut summary = ImportSummary::default();
    let (mut files, mut found) = (Vec::new(), Vec::new());
    for path in json_files(&options.paths, &mut summary) {
        summary.files += 1;
        let known = KeyHint::of_path(&path.to_string_lossy());
        match read_items(&path, &known) {
            Ok(items) => {
                if !items.is_empty() && items.iter().all(Item::is_of_truncated_list) {
                    summary.truncated.push(path.clone());
                }
                let items = (0..).zip(items).map(|(index, item)| Found { item, file: files.len(), index });
                found.extend(items);
                files.push(SourceFile {
                    path: path.to_string_lossy().into_owned(),
                    snapshot_time: options.snapshot_time.or_else(|| modified_time(&path)),
                });
            }
            Err(reason) => summary.rejected.push((path, reason)),
        }
    }
    name_keys(&mut found);
    for found in &found {
        *summary.items.entry(found.item.kind).or_default() += 1;
        summary.without_key += u64::from(found.lacks_key());
    }
    Outputs { files, found, started: options.started, summary }
}

impl Outputs {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// What was read; nothing of it is known or added yet.
    pub fn summary(&self) -> &ImportSummary {
        &self.summary
    }

    /// Adds the items to the lake, in one commit, each once, whichever files it comes in: the lake's items of the table are read for that.
    /// A key that is named by its id only is looked up among them, and among the keys of the lake's KMS events.
    ///
    /// # Errors
    ///
    /// [`ConvertError::Lake`].
    pub async fn add_to(self, lake: &Lake) -> Result<ImportSummary, ConvertError> {
        let Self { files, mut found, started, mut summary } = self;
        if found.is_empty() {
            return Ok(summary);
        }
        let table = lake.table(INVENTORY);
        let Known { items: mut known, keys } = known_items(table).await?;
        let name = |found: &mut [Found], keys: &KeyNames| {
            for found in found.iter_mut().filter(|found| found.item.key.arn.is_none()) {
                found.item.key.arn = found.item.key.id.as_ref().and_then(|id| keys.arn_of(id));
            }
        };
        name(&mut found, &keys);
        if found.iter().any(|found| found.lacks_key() && found.item.key.id.is_some()) {
            name(&mut found, &logged_keys(lake.table(EVENTS)).await?);
        }
        summary.without_key = found.iter().filter(|found| found.lacks_key()).count() as u64;
        let item_count = found.len();
        found.retain(|found| known.insert(identity(found, &files)));
        summary.known_items = (item_count - found.len()) as u64;
        summary.is_known = found.is_empty();
        if !summary.is_known {
            let import_id = import_id(&files, &found);
            let rows = batch(&import_id, &files, &found, started);
            let transaction = TransactionId { app_id: format!("keytrail.import.{import_id}"), version: 0 };
            table.append_rows(&PartitionValues::new(), &[rows], transaction, None, BTreeMap::new()).await?;
        }
        Ok(summary)
    }
}

/// The columns that make an item the same as another, in the order of [`ItemKey`]'s hash.
const IDENTITY: [&str; 6] = ["item_kind", "account_id", "aws_region", "key_arn", "key_id", "item"];
const SNAPSHOT_TIME: &str = "snapshot_time";

/// An item of a moment, as a hash.
type ItemKey = u128;

fn item_key(texts: [Option<&str>; IDENTITY.len()], snapshot_micros: Option<i64>) -> ItemKey {
    xxh3_128(format!("{texts:?} {snapshot_micros:?}").as_bytes())
}

fn identity(found: &Found, files: &[SourceFile]) -> ItemKey {
    let key = &found.item.key;
    let item = found.item.value.to_string();
    let [account_id, region, arn, id] = [&key.account_id, &key.region, &key.arn, &key.id].map(Option::as_deref);
    let micros = files[found.file].snapshot_time.map(|time| time.timestamp_micros());
    item_key([Some(found.item.kind), account_id, region, arn, id, Some(&item)], micros)
}

/// What earlier imports have added.
#[derive(Default)]
struct Known {
    items: FxHashSet<ItemKey>,
    keys: KeyNames,
}

async fn known_items(table: &Table) -> Result<Known, ConvertError> {
    let mut known = Known::default();
    let columns = [&IDENTITY[..], &[SNAPSHOT_TIME]].concat();
    read_columns(table, table.snapshot().await?.files(), &columns, |batch| {
        let texts = std::array::from_fn::<_, { IDENTITY.len() }, _>(|at| batch.column(at).as_string::<i32>());
        let times = batch.column(IDENTITY.len()).as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            let values = texts.map(|column| column.is_valid(row).then(|| column.value(row)));
            known.items.insert(item_key(values, times.is_valid(row).then(|| times.value(row))));
            let [_, _, _, arn, id, _] = values;
            id.zip(arn).into_iter().for_each(|(id, arn)| known.keys.add(id, arn));
        }
    })
    .await?;
    Ok(known)
}

/// The keys that KMS events name.
async fn logged_keys(events: &Table) -> Result<KeyNames, ConvertError> {
    let mut keys = KeyNames::default();
    let snapshot = events.snapshot().await?;
    let is_of_kms =
        |file: &&Arc<DataFile>| file.partition.get(EVENT_GROUP).is_some_and(|group| group == EventGroup::Kms.as_str());
    let files: Vec<_> = snapshot.files().iter().filter(is_of_kms).cloned().collect();
    let mut arns = FxHashSet::default();
    read_columns(events, &files, &["key_arn"], |batch| {
        for arn in batch.column(0).as_string::<i32>().iter().flatten() {
            if !arns.contains(arn) {
                arns.insert(arn.to_owned());
            }
        }
    })
    .await?;
    arns.iter().for_each(|arn| key_id_of(arn).into_iter().for_each(|id| keys.add(id, arn)));
    Ok(keys)
}

/// The files, in order; folders are walked.
fn json_files(paths: &[PathBuf], summary: &mut ImportSummary) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if let Err(error) = add_files(path, true, &mut files) {
            summary.files += 1;
            summary.rejected.push((path.clone(), error.to_string()));
        }
    }
    files.sort();
    files.dedup();
    files
}

fn add_files(path: &Path, is_named: bool, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if fs_err::metadata(path)?.is_dir() {
        for entry in fs_err::read_dir(path)? {
            add_files(&entry?.path(), false, files)?;
        }
    } else if is_named || has_name_of_output(path) {
        files.push(path.to_owned());
    }
    Ok(())
}

/// Whether a file of a folder is taken: `.json`, also packed.
fn has_name_of_output(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending))
}

fn modified_time(path: &Path) -> Option<DateTime<Utc>> {
    Some(fs_err::metadata(path).ok()?.modified().ok()?.into())
}

/// The items of a file: one document, or several one after the other.
fn read_items(path: &Path, known: &KeyHint) -> Result<Vec<Item>, String> {
    let text = text_of(fs_err::read(path).map_err(|error| error.to_string())?)?;
    let text = text.trim_start_matches('\u{feff}');
    let mut found = Vec::new();
    for document in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let document = document.map_err(|error| format!("not JSON: {error}; ask the AWS CLI with `--output json`"))?;
        found.extend(items(&document, known)?);
    }
    if found.is_empty() && text.trim().is_empty() {
        return Err("the file is empty".to_owned());
    }
    Ok(found)
}

/// The text of a file, unpacked if it is gzip.
fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    let bytes = if is_gzip(&bytes) { unpacked(&bytes)? } else { bytes };
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("the text is UTF-16, as PowerShell's `>` writes it: save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("not a text: byte {at} is no UTF-8; expected JSON as the AWS CLI prints it, or gzip of it")
    })
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    match Inflater::new(MAX_FILE_BYTES).inflate(bytes, &mut content).failure {
        Some(failure) => Err(failure.to_string()),
        None => Ok(content),
    }
}

/// Completes keys of which only the id is known: by place, or by another item of the import that tells the whole ARN.
fn name_keys(found: &mut [Found]) {
    let mut names = KeyNames::default();
    for found in found.iter() {
        if let (Some(id), Some(arn)) = (&found.item.key.id, &found.item.key.arn) {
            names.add(id, arn);
        }
    }
    for found in found {
        let key = &mut found.item.key;
        let told = key.id.as_deref().and_then(|id| names.arn_of(id));
        key.complete(told);
    }
}

/// Which key an id means, as far as items tell.
#[derive(Default)]
struct KeyNames(HashMap<String, Option<String>>);

impl KeyNames {
    /// The members of a multi-Region set share their id: then it names none of them.
    fn add(&mut self, id: &str, arn: &str) {
        let known = self.0.entry(id.to_owned()).or_insert_with(|| Some(arn.to_owned()));
        if known.as_ref().is_some_and(|known| known != arn) {
            *known = None;
        }
    }

    fn arn_of(&self, id: &str) -> Option<String> {
        self.0.get(id).cloned().flatten()
    }
}

fn is_about_a_key(kind: &str) -> bool {
    kind.starts_with("key") || kind.starts_with("grant")
}

/// The same items at the same moment are the same import.
fn import_id(files: &[SourceFile], found: &[Found]) -> String {
    let mut text = String::new();
    for found in found {
        let time = files[found.file].snapshot_time.map_or(0, |time| time.timestamp_micros());
        text.push_str(&format!("{} {time} {:?} {}\n", found.item.kind, found.item.key.arn, found.item.value));
    }
    sha256_hex(text.as_bytes())
}

fn batch(import_id: &str, files: &[SourceFile], found: &[Found], imported: DateTime<Utc>) -> RecordBatch {
    let texts = |text: &dyn Fn(&Found) -> Option<String>| -> ArrayRef {
        Arc::new(found.iter().map(text).collect::<StringArray>())
    };
    let times = |time: &dyn Fn(&Found) -> Option<DateTime<Utc>>| -> ArrayRef {
        let micros = found.iter().map(|found| time(found).map(|time| time.timestamp_micros()));
        Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
    };
    let columns: Vec<ArrayRef> = vec![
        texts(&|_| Some(import_id.to_owned())),
        times(&|found| files[found.file].snapshot_time),
        texts(&|found| Some(found.item.kind.to_owned())),
        texts(&|found| found.item.key.account_id.clone()),
        texts(&|found| found.item.key.region.clone()),
        texts(&|found| found.item.key.arn.clone()),
        texts(&|found| found.item.key.id.clone()),
        texts(&|found| Some(found.item.value.to_string())),
        texts(&|found| Some(files[found.file].path.clone())),
        Arc::new(found.iter().map(|found| Some(found.index)).collect::<Int64Array>()),
        times(&|_| Some(imported)),
        texts(&|_| Some(env!("CARGO_PKG_VERSION").to_owned())),
    ];
    RecordBatch::try_new(inventory_schema(), columns).expect("columns follow the schema")
}

#[cfg(test)]
mod tests {
    use keytrail_lake::Storage;
    use keytrail_testkit::fixtures::gzip;

    use super::*;
    use crate::lake_spec;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs_err::write(path, text).expect("written");
    }

    fn options(folder: &Path) -> ImportOptions {
        let time = DateTime::UNIX_EPOCH;
        ImportOptions { paths: vec![folder.to_owned()], snapshot_time: Some(time), started: time }
    }

    #[tokio::test]
    async fn a_mix_of_files_is_one_snapshot_and_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{ID}");
        write(folder.path(), "list-keys.json", &format!(r#"{{"Keys":[{{"KeyId":"{ID}","KeyArn":"{arn}"}}]}}"#));
        write(folder.path(), &format!("policies/{ID}.json"), r#"{"Policy":"{}","PolicyName":"default"}"#);
        write(folder.path(), "two.json", "{\"Aliases\":[]}\n{\"Grants\":[]}");
        write(folder.path(), "broken.json", "{\"Keys\":[");
        write(folder.path(), "notes.txt", "not taken");
        let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.expect("a lake");
        let summary = import(&lake, &options(folder.path())).await.expect("imported");
        assert_eq!(summary.files, 4);
        assert_eq!(summary.items, BTreeMap::from([("key", 1), ("key_policy", 1)]));
        assert_eq!((summary.without_key, summary.is_known), (0, false));
        let (path, reason) = &summary.rejected[0];
        assert!(path.ends_with("broken.json") && reason.contains("not JSON"), "{reason}");
        let again = import(&lake, &options(folder.path())).await.expect("imported");
        assert!(again.is_known);
        let snapshot = lake.table(INVENTORY).snapshot().await.expect("a snapshot");
        assert_eq!(snapshot.files().len(), 1);
    }

    #[tokio::test]
    async fn a_file_is_imported_once_alone_in_a_folder_and_packed() {
        let folder = tempfile::tempdir().expect("a folder");
        let arn = format!("arn:aws:kms:eu-west-1:111122223333:key/{ID}");
        let keys = format!(r#"{{"Keys":[{{"KeyId":"{ID}","KeyArn":"{arn}"}}]}}"#);
        write(folder.path(), "keys.json", &keys);
        let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.expect("a lake");
        let alone = ImportOptions { paths: vec![folder.path().join("keys.json")], ..options(folder.path()) };
        let first = import(&lake, &alone).await.expect("imported");
        assert_eq!((first.known_items, first.is_known), (0, false));
        write(folder.path(), "aliases.json", r#"{"Aliases":[{"AliasName":"alias/a"}]}"#);
        fs_err::write(folder.path().join("packed.json.gz"), gzip(keys.as_bytes())).expect("written");
        let second = import(&lake, &options(folder.path())).await.expect("imported");
        assert_eq!((second.files, second.known_items, second.is_known), (3, 2, false));
        assert_eq!(second.items, BTreeMap::from([("alias", 1), ("key", 2)]));
        let third = import(&lake, &options(folder.path())).await.expect("imported");
        assert_eq!((third.known_items, third.is_known), (3, true));
        assert_eq!(lake.table(INVENTORY).snapshot().await.expect("a snapshot").row_count(), 2);
    }

    #[tokio::test]
    async fn a_page_of_a_list_is_taken_and_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let page = |end: &str| format!(r#"{{"Grants":[{{"GrantId":"a","KeyId":"{ID}"}}],{end}}}"#);
        write(folder.path(), "first.json", &page(r#""Truncated":true,"NextMarker":"m""#));
        write(folder.path(), "whole.json", &page(r#""Truncated":false"#));
        write(folder.path(), "both.json", &[page(r#""NextToken":"m""#), page(r#""Truncated":false"#)].concat());
        let summary = read_outputs(&options(folder.path())).summary;
        assert_eq!((summary.files, summary.truncated), (3, vec![folder.path().join("first.json")]));
    }

    #[test]
    fn what_is_no_text_says_what_it_is() {
        for (bytes, told) in [
            (b"\xff\xfe{\0".to_vec(), "UTF-16"),
            (b"{\"a\": \xe9}".to_vec(), "byte 6 is no UTF-8"),
            (gzip(b"{}")[..12].to_vec(), "cut short"),
        ] {
            let error = text_of(bytes).expect_err(told);
            assert!(error.contains(told), "{error}");
        }
    }

    #[tokio::test]
    async fn a_path_that_is_not_there_is_reported() {
        let lake = Lake::create_or_open_in(Storage::in_memory(), lake_spec()).await.expect("a lake");
        let summary = import(&lake, &options(Path::new("/nowhere/at/all"))).await.expect("imported");
        assert_eq!((summary.files, summary.rejected.len()), (1, 1));
    }
}

//! Log files below an S3 prefix.
//!
//! Where dates are asked for and the trail layout is there, only the date folders inside them are listed:
//! `AWSLogs/[o-id/]account/KIND/region/YYYY/MM/DD/`. Without dates one flat listing needs fewer requests.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{Months, NaiveDate};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use keytrail_lake::{Location, StorageOptions, open_storage};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};

use super::{Content, DeliveryRange, LogFile};
use crate::error::ConvertError;

/// Folders that are listed at once.
const CONCURRENT_LISTS: usize = 16;
/// A larger object is read in ranges of so many bytes: one connection gives a fraction of what S3 and the line can.
const RANGE_BYTES: u64 = 8 * 1024 * 1024;
/// Ranges of one object that are read at once.
const CONCURRENT_RANGES: usize = 4;

pub(super) async fn list(
    location: &Location,
    range: &DeliveryRange,
    options: &StorageOptions,
) -> Result<Vec<LogFile>, ConvertError> {
    let storage = open_storage(location, options).await?;
    let bucket = location.as_s3().map_or("", |(bucket, _)| bucket);
    let listing = Listing { store: storage.store(), range: *range };
    let objects = if range.is_unbounded() {
        listing.flat(storage.prefix().clone()).await
    } else {
        listing.below(storage.prefix().clone()).await
    };
    let objects =
        objects.map_err(|source| ConvertError::List { place: location.to_string(), source: Box::new(source) })?;
    let files = objects.into_iter().map(|object| {
        let is_named = object.location == *storage.prefix();
        let file = log_file(bucket, &storage.store(), object);
        if is_named { file.named() } else { file }
    });
    Ok(files.collect())
}

fn log_file(bucket: &str, store: &Arc<dyn ObjectStore>, object: ObjectMeta) -> LogFile {
    let path = format!("s3://{bucket}/{}", object.location);
    let modified = object.last_modified.timestamp_micros();
    let version = version_of(&object);
    LogFile::new(path, version, object.size, Some(modified), Content::Object(Arc::clone(store), object.location))
}

/// The ETag, or size and time from a store that gives none.
pub(super) fn version_of(object: &ObjectMeta) -> String {
    object.e_tag.clone().unwrap_or_else(|| format!("{}-{}", object.size, object.last_modified.timestamp_micros()))
}

/// Reads an object, if it has still this ETag. Without one to hold on to, ranges could be of different versions: then it is read in one.
pub(super) async fn get(
    store: &Arc<dyn ObjectStore>,
    path: &Path,
    e_tag: Option<&str>,
    size_bytes: u64,
) -> object_store::Result<Bytes> {
    let get = |range: Option<GetRange>| {
        let options = GetOptions { if_match: e_tag.map(str::to_owned), range, ..GetOptions::default() };
        async move { store.get_opts(path, options).await?.bytes().await }
    };
    if size_bytes <= RANGE_BYTES || e_tag.is_none() {
        return get(None).await;
    }
    let starts = (0..size_bytes.div_ceil(RANGE_BYTES)).map(|number| number * RANGE_BYTES);
    let ranges = starts.map(|start| get(Some(GetRange::Bounded(start..(start + RANGE_BYTES).min(size_bytes)))));
    let mut ranges = futures::stream::iter(ranges).buffered(CONCURRENT_RANGES);
    let mut whole = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
    while let Some(bytes) = ranges.try_next().await? {
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.into())
}

struct Listing {
    store: Arc<dyn ObjectStore>,
    range: DeliveryRange,
}

impl Listing {
    /// Every object below a prefix; an object of that very name counts too.
    async fn flat(&self, prefix: Path) -> object_store::Result<Vec<ObjectMeta>> {
        let mut objects: Vec<ObjectMeta> = self.store.list(Some(&prefix)).try_collect().await?;
        if objects.is_empty() && !prefix.as_ref().is_empty() {
            match object_store::ObjectStoreExt::head(&self.store, &prefix).await {
                Ok(object) => objects.push(object),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(objects)
    }

    /// Every object below a prefix whose date folders meet the range.
    fn below(&self, prefix: Path) -> BoxFuture<'_, object_store::Result<Vec<ObjectMeta>>> {
        async move {
            let level = self.store.list_with_delimiter(Some(&prefix)).await?;
            let folders = level.common_prefixes.into_iter().filter(|folder| self.may_hold(folder));
            let deeper: Vec<_> = futures::stream::iter(folders.map(|folder| self.below(folder)))
                .buffer_unordered(CONCURRENT_LISTS)
                .try_collect()
                .await?;
            Ok(level.objects.into_iter().chain(deeper.into_iter().flatten()).collect())
        }
        .boxed()
    }

    fn may_hold(&self, folder: &Path) -> bool {
        let parts: Vec<_> = folder.parts().map(|part| part.as_ref().to_owned()).collect();
        dates_of(&parts.iter().map(String::as_str).collect::<Vec<_>>())
            .is_none_or(|(first, last)| self.range.meets_days(first, last))
    }
}

/// The days that a folder of the trail layout spans: a year, a month or a day; `None` for every other folder.
fn dates_of(parts: &[&str]) -> Option<(NaiveDate, NaiveDate)> {
    let root = parts.iter().rposition(|part| *part == "AWSLogs")?;
    let mut folders = &parts[root + 1..];
    while let [organization, rest @ ..] = folders
        && organization.starts_with("o-")
    {
        folders = rest;
    }
    let [_account, _kind, _region, dates @ ..] = folders else { return None };
    let number = |text: &&str| text.parse::<u32>().ok();
    let (year, month, day) = (number(dates.first()?)?, dates.get(1).and_then(number), dates.get(2).and_then(number));
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month.unwrap_or(1), day.unwrap_or(1))?;
    let span = match (month, day) {
        (_, Some(_)) => return Some((first, first)),
        (Some(_), None) => Months::new(1),
        (None, None) => Months::new(12),
    };
    Some((first, first.checked_add_months(span)?.pred_opt()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_tell_the_days_they_span() {
        let days =
            |path: &str| dates_of(&path.split('/').collect::<Vec<_>>()).map(|(first, last)| format!("{first} {last}"));
        for (path, span) in [
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024", Some("2024-01-01 2024-12-31")),
            ("p/AWSLogs/o-1/111122223333/CloudTrail/eu-west-1/2024/02", Some("2024-02-01 2024-02-29")),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/03", Some("2024-02-03 2024-02-03")),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1", None),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2024/13", None),
            ("other/2024/02", None),
        ] {
            assert_eq!(days(path).as_deref(), span, "{path}");
        }
    }

    #[tokio::test]
    async fn only_date_folders_in_the_range_are_listed() {
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        for key in [
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2023/12/31/a",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/01/31/b",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/01/c",
            "AWSLogs/111122223333/CloudTrail/eu-west-1/2024/02/02/d",
            "other/e",
        ] {
            object_store::ObjectStoreExt::put(&store, &Path::from(key), "x".into()).await.expect("put");
        }
        let range = DeliveryRange {
            since: Some("2024-01-31T12:00:00Z".parse().expect("time")),
            until: Some("2024-02-02T00:00:00Z".parse().expect("time")),
        };
        let listing = Listing { store, range };
        let mut names: Vec<_> = listing
            .below(Path::default())
            .await
            .expect("listed")
            .into_iter()
            .map(|object| object.location.filename().unwrap_or("").to_owned())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["b", "c", "e"]);
        let single = listing.flat(Path::from("other/e")).await.expect("listed");
        assert_eq!(single.len(), 1);
    }
}

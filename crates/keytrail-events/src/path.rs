//! What an object's path tells before it is read: `[prefix/]AWSLogs/[o-id/]account/KIND/region/YYYY/MM/DD/file`.
//!
//! A path is a hint, never a requirement: users flatten, rename and unzip. Its dates are delivery time, not event time.

use chrono::{NaiveDate, NaiveDateTime};

/// What the path of a log file tells; every part may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilePath<'a> {
    /// The organization's id, of an organization trail.
    pub organization_id: Option<&'a str>,
    /// The account whose activity the file holds, 12 digits; from the folders or the file's name, which may not differ.
    pub account_id: Option<&'a str>,
    /// The folder's kind: `CloudTrail`, `CloudTrail-Digest`, `CloudTrail-Insight`, …
    pub kind: Option<&'a str>,
    /// The region the activity was in; likewise.
    pub aws_region: Option<&'a str>,
    /// The day of delivery, UTC, from the folders, else from the file's name.
    pub delivery_date: Option<NaiveDate>,
    /// The moment of delivery in microseconds since the epoch, UTC, from the file's name: minute resolution.
    pub delivery_time: Option<i64>,
}

impl<'a> LogFilePath<'a> {
    /// Reads a path with `/` between its parts.
    pub fn parse(path: &'a str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        let name = parts.last().copied().unwrap_or("");
        let mut parsed = Self::of_file_name(name);
        if let Some(root) = parts.iter().rposition(|part| *part == "AWSLogs") {
            parsed.take_folders(&parts[root + 1..parts.len().max(root + 2) - 1]);
        }
        parsed.take_place_of(name);
        parsed
    }

    fn of_file_name(name: &'a str) -> Self {
        let delivery = delivery_time(name);
        Self {
            delivery_date: delivery.map(|moment| moment.date()),
            delivery_time: delivery.map(|moment| moment.and_utc().timestamp_micros()),
            ..Self::default()
        }
    }

    fn take_folders(&mut self, mut folders: &[&'a str]) {
        while let [organization, rest @ ..] = folders
            && organization.starts_with("o-")
        {
            self.organization_id = Some(organization);
            folders = rest;
        }
        let [account, rest @ ..] = folders else { return };
        if !is_account(account) {
            return;
        }
        self.account_id = Some(account);
        let [kind, rest @ ..] = rest else { return };
        self.kind = Some(kind);
        let [region, below @ ..] = rest else { return };
        // A folder of the user's own, or a layout without regions, names no region.
        self.aws_region = Some(*region).filter(|region| is_region(region));
        self.delivery_date = date_below(below).or_else(|| date_below(rest)).or(self.delivery_date);
    }

    /// Account and region are in the file's name, too, and stay there when files are moved; where it tells others than the folders, one of
    /// the two is wrong, and neither is taken.
    fn take_place_of(&mut self, name: &'a str) {
        let mut parts = name.split('_');
        let (Some(account), Some(kind), Some(region)) = (parts.next(), parts.next(), parts.next()) else { return };
        if !is_account(account) {
            return;
        }
        let agreed = |told: Option<&'a str>, named: &'a str| match told {
            Some(told) => Some(told).filter(|told| *told == named),
            None => Some(named).filter(|_| kind.starts_with("CloudTrail")),
        };
        self.account_id = agreed(self.account_id, account);
        if is_region(region) {
            self.aws_region = agreed(self.aws_region, region);
        }
    }

    /// Whether it lies in the folder of another AWS service that writes to the same bucket, such as
    /// `AWSLogs/111122223333/Config/` or `…/vpcflowlogs/`. Only what is known as such is taken for one, as whoever moves log files
    /// may call their folder anything.
    pub fn is_of_another_service(&self) -> bool {
        self.kind.is_some_and(|kind| OTHER_SERVICES.contains(&kind))
    }
}

/// Folders below an account that other services deliver to, by AWS's user guides.
const OTHER_SERVICES: [&str; 11] = [
    "BedrockModelInvocationLogs",
    "CloudFront",
    "Config",
    "GuardDuty",
    "WAFLogs",
    "elasticloadbalancing",
    "globalaccelerator",
    "network-firewall",
    "redshift",
    "vpcdnsquerylogs",
    "vpcflowlogs",
];

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a text has the shape of a region's name: `us-gov-west-1`, `eusc-de-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.next_back().is_some_and(is_number) && parts.clone().count() >= 2 && parts.all(is_word)
}

/// The date that the first three of some folders name.
fn date_below(folders: &[&str]) -> Option<NaiveDate> {
    let [year, month, day, ..] = folders else { return None };
    date_of(year, month, day)
}

fn date_of(year: &str, month: &str, day: &str) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
}

/// The moment in a log file's name, `…_20230710T1200Z_…` (digests: with seconds): found from the right, as trail names may hold anything.
fn delivery_time(name: &str) -> Option<NaiveDateTime> {
    name.rsplit('_').find_map(|part| {
        let part = part.split('.').next()?;
        ["%Y%m%dT%H%MZ", "%Y%m%dT%H%M%SZ"].iter().find_map(|format| NaiveDateTime::parse_from_str(part, format).ok())
    })
}

/// The endings of what log files are delivered, downloaded and packed as.
const LOG_ENDINGS: [&str; 12] =
    ["csv", "gz", "gzip", "json", "jsonl", "log", "ndjson", "tar", "tgz", "tsv", "zip", "zst"];

/// Whether a path ends as log files do, or is named as CloudTrail names them.
pub fn has_log_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("").to_ascii_lowercase();
    name.contains("_cloudtrail") || name.rsplit_once('.').is_some_and(|(_, ending)| LOG_ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_layout_of_aws() {
        let file = "011122223333_CloudTrail_eu-west-1_20230710T1205Z_x9kHmzMa7cx6l9wM.json.gz";
        for (folder, organization_id) in [
            ("AWSLogs/011122223333/CloudTrail/eu-west-1/2023/07/10", None),
            ("a/b/AWSLogs/o-abc123/011122223333/CloudTrail/eu-west-1/2023/07/10", Some("o-abc123")),
            ("o-abc123/AWSLogs/o-abc123/011122223333/CloudTrail/eu-west-1/2023/07/10", Some("o-abc123")),
            ("s3://bucket/AWSLogs/011122223333/CloudTrail/eu-west-1/2023/07/10", None),
        ] {
            let path = format!("{folder}/{file}");
            let parsed = LogFilePath::parse(&path);
            assert_eq!(parsed.organization_id, organization_id, "{path}");
            assert_eq!(
                (parsed.account_id, parsed.kind, parsed.aws_region),
                (Some("011122223333"), Some("CloudTrail"), Some("eu-west-1"))
            );
            assert_eq!(parsed.delivery_date, NaiveDate::from_ymd_opt(2023, 7, 10));
            assert_eq!(parsed.delivery_time, Some(1_688_990_700_000_000));
        }
    }

    #[test]
    fn what_stands_in_the_place_of_a_region_is_one_only_by_its_shape() {
        let file = "111122223333_CloudTrail_eu-west-1_20230710T1205Z_x9kHmzMa7cx6l9wM.json.gz";
        for (folder, account_id, aws_region) in [
            ("CloudTrail/eu-west-1/2023/07/10", Some("111122223333"), Some("eu-west-1")),
            ("CloudTrail/us-gov-west-1/2023/07/10", Some("111122223333"), None),
            // The name tells where the folders do not.
            ("CloudTrail/backup/eu-west-1", Some("111122223333"), Some("eu-west-1")),
            ("CloudTrail/2023/07/10", Some("111122223333"), Some("eu-west-1")),
            ("CloudTrail", Some("111122223333"), Some("eu-west-1")),
        ] {
            let path = format!("AWSLogs/111122223333/{folder}/{file}");
            let parsed = LogFilePath::parse(&path);
            assert_eq!((parsed.account_id, parsed.aws_region), (account_id, aws_region), "{path}");
            assert_eq!(parsed.delivery_date, NaiveDate::from_ymd_opt(2023, 7, 10), "{path}");
        }
        let path = format!("AWSLogs/999988887777/CloudTrail/eu-west-1/2023/07/10/{file}");
        let parsed = LogFilePath::parse(&path);
        assert_eq!((parsed.account_id, parsed.aws_region), (None, Some("eu-west-1")));
        for (region, expected) in [
            ("eusc-de-east-1", true),
            ("us-iso-east-1", true),
            ("ap-southeast-2", true),
            ("2023", false),
            ("eu-west", false),
            ("west-1", false),
            ("EU-WEST-1", false),
            ("eu--1", false),
            ("", false),
        ] {
            assert_eq!(is_region(region), expected, "{region}");
        }
    }

    #[test]
    fn other_services_have_folders_of_their_own() {
        for (folder, expected) in [
            ("AWSLogs/111122223333/Config/eu-west-1/2023/7/1/ConfigSnapshot", true),
            ("AWSLogs/o-abc123/111122223333/vpcflowlogs/eu-west-1/2023/07/10", true),
            ("AWSLogs/111122223333/CloudTrail/eu-west-1/2023/07/10", false),
            ("AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2023/07/10", false),
            ("AWSLogs/111122223333/cloudtrail/eu-west-1/2023/07/10", false),
            ("AWSLogs/111122223333/eu-west-1/2023/07/10", false),
            ("AWSLogs/111122223333/backup/CloudTrail/eu-west-1", false),
            ("AWSLogs/111122223333/2023/07/10", false),
            ("AWSLogs/Config", false),
            ("Config/111122223333", false),
        ] {
            assert_eq!(
                LogFilePath::parse(&format!("{folder}/file.json.gz")).is_of_another_service(),
                expected,
                "{folder}"
            );
        }
    }

    #[test]
    fn a_flat_file_keeps_its_name() {
        let parsed = LogFilePath::parse("011122223333_CloudTrail_eu-west-1_20230710T1205Z_x9kHmzMa7cx6l9wM.json");
        assert_eq!((parsed.account_id, parsed.aws_region), (Some("011122223333"), Some("eu-west-1")));
        assert_eq!(parsed.delivery_time, Some(1_688_990_700_000_000));
        let other = LogFilePath::parse("011122223333_vpcflowlogs_eu-west-1_fl-1_20230710T1205Z_x9.log.gz");
        assert_eq!((other.account_id, other.aws_region), (None, None));
        assert_eq!(LogFilePath::parse("events.json"), LogFilePath::default());
        assert_eq!(LogFilePath::parse("AWSLogs"), LogFilePath::default());
        assert_eq!(LogFilePath::parse(""), LogFilePath::default());
        let digest =
            LogFilePath::parse("1_CloudTrail-Digest_us-east-2_my_trail.v2_us-east-2_20230710T130102Z_backfill.json.gz");
        assert_eq!(digest.delivery_time, Some(1_688_994_062_000_000));
    }
}

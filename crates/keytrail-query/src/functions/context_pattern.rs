//! `context_pattern(value)` and `context_pattern(name, value)`: what many values of an encryption context have in common.
//!
//! An ARN keeps its partition, service, region and account, the type of its resource and the first parts of its path;
//! ids, hexadecimal digits, numbers, dates and versions become `*`, and who is written to becomes `*@*`. With the pair's name, values that are new in every
//! call become `*` as a whole, whatever they look like. It hides no other secrets: words that callers wrote stay readable.
//!
//! ```text
//! arn:aws:s3:::bucket/logs/2024/01/x.gz            arn:aws:s3:::bucket/logs/*
//! arn:aws:secretsmanager:…:secret:prod/db-a1B2c3   arn:aws:secretsmanager:…:secret:prod/db-*
//! vol-0a1b2c3d4e5f60718                            vol-*
//! ```

use std::borrow::Cow;

use datafusion::common::Result;
use keytrail_events::kms::arn::Arn;

use super::text::{Compute, TextFunction, Texts};

/// Names whose values differ from call to call and tell nothing about the data.
const RANDOM_NAMES: [&str; 6] = [
    "aws-crypto-public-key",
    "aws:backup:request-id",
    "aws:redshift:createtime",
    "aws:ses:message-id",
    "create-time",
    "version",
];
/// Folders of an object's path that are kept below the bucket.
const KEPT_FOLDERS: usize = 2;
/// Parts of any other path that are kept.
const KEPT_PARTS: usize = 5;
/// Hexadecimal digits from which on they are an id.
const HEX_ID: usize = 8;
/// Letters and digits mixed from which on they are an id.
const MIXED_ID: usize = 10;
/// Capital letters and digits from which on they are an id.
const CAPITALS_ID: usize = 16;
/// Length from which on a single word without a pattern is taken for encoded bytes.
const ENCODED: usize = 40;
/// Random letters and digits that Secrets Manager puts behind a secret's name.
const SECRET_SUFFIX: usize = 6;

pub(super) fn context_pattern() -> TextFunction {
    TextFunction::new("context_pattern", &[1, 2], Compute::Text(compute)).documented(
        "context_pattern([name, ] value)",
        "What many values of an encryption context have in common: ids, dates, numbers and deep paths become `*`.",
    )
}

fn compute<'a>(texts: Texts<'_, 'a>) -> Result<Option<Cow<'a, str>>> {
    let pattern = match texts {
        [Some(name), Some(_)] if RANDOM_NAMES.contains(name) => Some("*".to_owned()),
        [.., value] => value.map(pattern),
        [] => None,
    };
    Ok(pattern.map(Cow::Owned))
}

/// The pattern of a value.
fn pattern(value: &str) -> String {
    let Some(Arn { partition, service, region, account, resource }) = Arn::parse(value) else {
        return path_pattern(value);
    };
    // Directory buckets of S3 are named by an ARN within an ARN.
    if let Some((outer, inner)) = resource.split_once("/arn:") {
        let (outer, inner) = (path_pattern(outer), pattern(&["arn:", inner].concat()));
        return format!("arn:{partition}:{service}:{region}:{account}:{outer}/{inner}");
    }
    let resource = match service {
        "s3" => object_pattern(resource),
        "secretsmanager" => secret_pattern(resource),
        _ => path_pattern(resource),
    };
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

/// A bucket and the first folders in it; the object's name, and all that follows a folder which varies, becomes `*`.
fn object_pattern(resource: &str) -> String {
    let Some((bucket, object)) = resource.split_once('/') else {
        return resource.to_owned();
    };
    let mut pattern = format!("{bucket}/");
    let folders = object.split('/').collect::<Vec<_>>();
    let (_, folders) = folders.split_last().unwrap_or((&"", &[]));
    for folder in folders.iter().take(KEPT_FOLDERS).take_while(|folder| part_pattern(folder) == **folder) {
        pattern.push_str(folder);
        pattern.push('/');
    }
    pattern.push('*');
    pattern
}

/// `secret:NAME-XXXXXX`: the name is a path, the rest is random.
fn secret_pattern(resource: &str) -> String {
    match resource.rsplit_once('-') {
        Some((name, suffix))
            if suffix.len() == SECRET_SUFFIX && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            format!("{}-*", path_pattern(name))
        }
        _ => path_pattern(resource),
    }
}

/// The parts between `/` and `:`, each by itself; what lies deep becomes one `*`.
fn path_pattern(path: &str) -> String {
    if path.len() >= ENCODED && is_encoded(path) {
        return "*".to_owned();
    }
    let mut pattern = String::with_capacity(path.len());
    let mut kept = 0;
    for part in path.split_inclusive(['/', ':']) {
        let (name, delimiter) = match part.strip_suffix(['/', ':']) {
            Some(name) => (name, &part[name.len()..]),
            None => (part, ""),
        };
        if kept == KEPT_PARTS {
            pattern.push('*');
            break;
        }
        kept += usize::from(!name.is_empty());
        pattern.push_str(&part_pattern(name));
        pattern.push_str(delimiter);
    }
    while let Some(shorter) = pattern.strip_suffix("/*").filter(|shorter| shorter.ends_with("/*")) {
        pattern.truncate(shorter.len());
    }
    pattern
}

/// Base64 and the like: no space, both cases and digits, and hardly a separator.
fn is_encoded(text: &str) -> bool {
    let is_in = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_');
    let has = |is_wanted: fn(&u8) -> bool| text.as_bytes().iter().any(is_wanted);
    let separators = text.bytes().filter(|byte| matches!(byte, b'/' | b'-' | b'_' | b'+')).count();
    text.bytes().all(is_in)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_digit)
        && separators * 10 <= text.len()
}

/// The words of one part, those that vary as `*`; neighbours that vary are one `*`.
fn part_pattern(part: &str) -> String {
    let is_separator = |character: char| character.is_ascii() && !character.is_ascii_alphanumeric();
    let mut pattern = String::with_capacity(part.len());
    if is_uuid(part) {
        return "*".to_owned();
    }
    if is_mail_address(part) {
        return "*@*".to_owned();
    }
    for word in part.split_inclusive(is_separator) {
        let (name, separator) = match word.strip_suffix(is_separator) {
            Some(name) => (name, &word[name.len()..]),
            None => (word, ""),
        };
        let before = pattern.trim_end_matches(['-', '.', '_', '+']);
        let follows_id = before.len() < pattern.len() && before.ends_with('*');
        if !(varies(name) || follows_id && is_hex(name)) {
            pattern.push_str(name);
        } else if is_version(name) {
            pattern.push_str("v*");
        } else if follows_id {
            // `2024-01-31` is one thing that varies, not three; so is a UUID.
            pattern.truncate(before.len());
        } else {
            pattern.push('*');
        }
        pattern.push_str(separator);
    }
    pattern
}

/// Whether the part is a person's address: a name, `@` and a domain of two words or more.
fn is_mail_address(part: &str) -> bool {
    let Some((name, domain)) = part.split_once('@') else { return false };
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    is_name && domain.split('.').count() > 1 && domain.split('.').all(|word| !word.is_empty() && !word.contains('@'))
}

/// Whether a word is an id, a number, a date or a version.
fn varies(word: &str) -> bool {
    let bytes = word.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let is_alphanumeric = bytes.iter().all(u8::is_ascii_alphanumeric);
    if !is_alphanumeric {
        return false;
    }
    let has_lower_case = bytes.iter().any(u8::is_ascii_lowercase);
    (digits > 0 && digits == bytes.len())
        || (bytes.len() >= HEX_ID && digits > 0 && bytes.iter().all(u8::is_ascii_hexdigit))
        || (bytes.len() >= MIXED_ID && digits > 1)
        || (bytes.len() >= CAPITALS_ID && !has_lower_case)
        || is_version(word)
}

/// A part of a UUID.
fn is_hex(word: &str) -> bool {
    word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// `v12`
fn is_version(word: &str) -> bool {
    word.strip_prefix(['v', 'V'])
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_generalised() {
        let cases = [
            ("arn:aws:s3:::bucket/logs/2024/01/x.gz", "arn:aws:s3:::bucket/logs/*"),
            ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket"),
            ("arn:aws:s3:::bucket/x.gz", "arn:aws:s3:::bucket/*"),
            (
                "arn:aws:s3:::bucket-2024/raw/clicks/dt=2026-01-31/part-0a1b2c3d4e5f.parquet",
                "arn:aws:s3:::bucket-2024/raw/clicks/*",
            ),
            ("arn:aws:s3:::bucket/a/b/c/d.txt", "arn:aws:s3:::bucket/a/b/*"),
            (
                "arn:aws:s3:::trail/AWSLogs/111122223333/CloudTrail/us-east-1/2024/01/31/x.json.gz",
                "arn:aws:s3:::trail/AWSLogs/*",
            ),
            (
                "arn:aws:lambda:us-east-1:111122223333:function:checkout:42",
                "arn:aws:lambda:us-east-1:111122223333:function:checkout:*",
            ),
            (
                "arn:aws:lambda:us-east-1:111122223333:function:checkout",
                "arn:aws:lambda:us-east-1:111122223333:function:checkout",
            ),
            (
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-a1B2c3",
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-*",
            ),
            (
                "arn:aws:ssm:us-east-1:111122223333:parameter/prod/db/password",
                "arn:aws:ssm:us-east-1:111122223333:parameter/prod/db/password",
            ),
            (
                "arn:aws:ssm:us-east-1:111122223333:parameter/a/b/c/d/e/f",
                "arn:aws:ssm:us-east-1:111122223333:parameter/a/b/c/d/*",
            ),
            (
                "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/checkout",
                "arn:aws:logs:us-east-1:111122223333:log-group:/aws/lambda/checkout",
            ),
            (
                "arn:aws:acm:us-east-1:111122223333:certificate/7f2b5c1e-0d3a-4f68-9b17-2c5de8a41f90",
                "arn:aws:acm:us-east-1:111122223333:certificate/*",
            ),
            (
                "arn:aws:s3tables:us-east-1:111122223333:bucket/lake/table/7f2b5c1e-0d3a-4f68-9b17-2c5de8a41f90",
                "arn:aws:s3tables:us-east-1:111122223333:bucket/lake/table/*",
            ),
            (
                "arn:aws:s3express:us-east-1:111122223333:bucket/arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3",
                "arn:aws:s3express:us-east-1:111122223333:bucket/arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3",
            ),
            ("vol-0a1b2c3d4e5f60718", "vol-*"),
            ("db-ABCDEFGHIJKLMNOPQRSTUVWXY2", "db-*"),
            ("7f2b5c1e-0d3a-4f68-9b17-2c5de8a41f90", "*"),
            ("RequestToValidateKeyAccess", "RequestToValidateKeyAccess"),
            ("2024-01-31", "*"),
            ("20150206T1832Z", "*"),
            ("t-0042", "t-*"),
            ("111122223333", "*"),
            ("build-v12", "build-v*"),
            ("billing", "billing"),
            ("ann.b+x@mail.example.org", "*@*"),
            ("user/ann@example.org", "user/*@*"),
            ("a@b", "a@b"),
            ("@x.y", "@x.y"),
            ("Rechnungsprüfung", "Rechnungsprüfung"),
            ("経理", "経理"),
            ("AES/GCM/NoPadding", "AES/GCM/NoPadding"),
            ("AxVsm3JkZ8vZ0pLr9QwTnB5yXhKdE2uCfGiOaMjRb7N4tS6lPqWzYvHcUeDk1Fo8A=", "*"),
            ("3A", "3A"),
            ("a/1/2/3", "a/*"),
            ("", ""),
        ];
        for (value, expected) in cases {
            assert_eq!(pattern(value), expected, "{value}");
        }
    }

    #[test]
    fn a_pattern_is_its_own_pattern() {
        for value in
            ["arn:aws:s3:::bucket/logs/2024/01/x.gz", "t-0042", "a/1/2/3", "vol-0a1b2c3d4e5f60718", "a/b/c/d/e/f/g"]
        {
            assert_eq!(pattern(&pattern(value)), pattern(value), "{value}");
        }
    }

    #[test]
    fn names_of_random_values_hide_them() {
        let of = |name, value| compute(&[Some(name), Some(value)]).expect("no error");
        assert_eq!(of("aws:ses:message-id", "words").as_deref(), Some("*"));
        assert_eq!(of("tenant", "words").as_deref(), Some("words"));
        assert_eq!(compute(&[Some("tenant"), None]).expect("no error"), None);
    }
}

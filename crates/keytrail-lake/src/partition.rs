//! Partition values and the folder they stand for.
//!
//! It does not know which partitions a table has: see [`crate::TableSpec`].

use std::collections::BTreeMap;
use std::fmt::Write;

use uuid::Uuid;

/// The value of each partition column, by column name.
pub type PartitionValues = BTreeMap<String, String>;

/// A new data file's path below the table's root: `column=value/…/part-<uuid>.parquet`, columns in table order.
///
/// Values are escaped, so that whatever they hold the path stays inside the table.
pub(crate) fn data_file_path(columns: &[&str], values: &PartitionValues, file_id: Uuid) -> String {
    format!("{}part-{file_id}.parquet", partition_folder(columns, values))
}

/// Whether a file of this path lies where [`data_file_path`] puts the files of a partition.
pub(crate) fn is_in_its_folder(columns: &[&str], values: &PartitionValues, path: &str) -> bool {
    path.strip_prefix(&partition_folder(columns, values)).is_some_and(|name| !name.contains('/'))
}

/// The folder of a partition, with a slash at its end; empty without partition columns.
fn partition_folder(columns: &[&str], values: &PartitionValues) -> String {
    let mut path = String::new();
    for column in columns {
        let value = values.get(*column).map_or("", String::as_str);
        path.push_str(&escape(column));
        path.push('=');
        path.push_str(&escape(value));
        path.push('/');
    }
    path
}

/// Percent-encodes all but letters, digits, `-`, `_` and inner dots; an empty value has Hive's name for it.
fn escape(text: &str) -> String {
    if text.is_empty() {
        return "__HIVE_DEFAULT_PARTITION__".to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || (byte == b'.' && index > 0);
        if is_plain {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ok = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(value: &str) -> String {
        let values = PartitionValues::from([("a".to_owned(), value.to_owned())]);
        let path = data_file_path(&["a"], &values, Uuid::nil());
        path.strip_suffix("/part-00000000-0000-0000-0000-000000000000.parquet").expect("a file name").to_owned()
    }

    #[test]
    fn values_are_escaped() {
        for (value, expected) in [
            ("kms", "a=kms"),
            ("2024-01", "a=2024-01"),
            ("", "a=__HIVE_DEFAULT_PARTITION__"),
            ("..", "a=%2E."),
            ("../../x", "a=%2E.%2F..%2Fx"),
            ("a=b c%", "a=a%3Db%20c%25"),
            ("ä\0\\", "a=%C3%A4%00%5C"),
        ] {
            assert_eq!(folder(value), expected, "{value:?}");
        }
    }

    #[test]
    fn columns_keep_the_tables_order() {
        let values = PartitionValues::from([("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())]);
        assert!(data_file_path(&["b", "a"], &values, Uuid::nil()).starts_with("b=2/a=1/part-"));
    }
}

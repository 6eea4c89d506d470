//! The public keys that AWS signs digest files with, as `aws cloudtrail list-public-keys` prints them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use keytrail_events::time::parse_time;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use super::documents;
use crate::error::ConvertError;

/// A key may be used a little before and after the time that AWS states.
const VALIDITY_MARGIN: TimeDelta = TimeDelta::days(1);

/// AWS lists the keys of a period in a region: for another one the list may be empty.
const NO_KEY: &str = "no public key is in it; ask `aws cloudtrail list-public-keys` with --start-time and --end-time around the digest files";

/// Keys by their fingerprint.
#[derive(Debug, Clone, Default)]
pub(super) struct PublicKeys(BTreeMap<String, PublicKey>);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PublicKey {
    /// PKCS#1 DER; `None` = what was given is no RSA key.
    der: Option<Vec<u8>>,
    valid_from: Option<DateTime<Utc>>,
    valid_to: Option<DateTime<Utc>>,
}

impl PublicKeys {
    /// Reads files, and the `.json` files of folders.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, ConvertError> {
        let mut keys = Self::default();
        for (path, document) in documents::read(paths)? {
            let added = document.get("PublicKeyList").and_then(Value::as_array).and_then(|list| keys.add(list));
            if added.is_none() {
                let reason = "not the output of `aws cloudtrail list-public-keys --output json`".to_owned();
                return Err(ConvertError::NotTaken { path, reason });
            }
        }
        match paths.first().filter(|_| keys.0.is_empty()) {
            Some(path) => Err(ConvertError::NotTaken { path: path.clone(), reason: NO_KEY.to_owned() }),
            None => Ok(keys),
        }
    }

    fn add(&mut self, list: &[Value]) -> Option<()> {
        for key in list {
            let fingerprint = key.get("Fingerprint")?.as_str()?.to_owned();
            let der = STANDARD.decode(key.get("Value")?.as_str()?).ok();
            let key = PublicKey {
                der: der.and_then(|der| pkcs1_of(&der).map(<[u8]>::to_vec)),
                valid_from: key.get("ValidityStartTime").and_then(moment),
                valid_to: key.get("ValidityEndTime").and_then(moment),
            };
            // What could not be read in one file does not hide the key of another.
            if key.der.is_some() || !self.0.contains_key(&fingerprint) {
                self.0.insert(fingerprint, key);
            }
        }
        Some(())
    }

    pub(super) fn find(&self, fingerprint: &str) -> Option<&PublicKey> {
        self.0.get(fingerprint)
    }
}

impl PublicKey {
    /// Whether it can be used at all.
    pub(super) fn is_sound(&self) -> bool {
        self.der.is_some()
    }

    /// Whether `signature`, in hex, is this key's over `text`: RSA with PKCS#1 v1.5 padding and SHA-256.
    pub(super) fn verifies(&self, text: &str, signature: &str) -> bool {
        let (Some(der), Some(signature)) = (&self.der, from_hex(signature)) else { return false };
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(text.as_bytes(), &signature).is_ok()
    }

    /// Whether AWS used it at this time, by what the output states.
    pub(super) fn is_valid_at(&self, time: DateTime<Utc>) -> bool {
        self.valid_from.is_none_or(|from| from - VALIDITY_MARGIN <= time)
            && self.valid_to.is_none_or(|to| time <= to + VALIDITY_MARGIN)
    }
}

/// A time as the versions of the AWS CLI print it: ISO 8601, or seconds since the epoch as a number or a text.
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    let of_seconds = |seconds: f64| {
        let millis = (seconds * 1000.0).round();
        #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate, and no such time exists")]
        DateTime::from_timestamp_millis(millis as i64)
    };
    match value {
        Value::Number(seconds) => of_seconds(seconds.as_f64()?),
        Value::String(text) => match text.parse::<f64>() {
            Ok(seconds) => of_seconds(seconds),
            Err(_) => DateTime::from_timestamp_micros(parse_time(text)?),
        },
        _ => None,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.bytes().map(|digit| char::from(digit).to_digit(16)).collect::<Option<Vec<_>>>()?;
    let pairs = digits.chunks(2).map(|pair| <[u32; 2]>::try_from(pair).ok());
    pairs.map(|pair| pair.and_then(|[high, low]| u8::try_from(high << 4 | low).ok())).collect()
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
/// The object identifier of RSA keys, 1.2.840.113549.1.1.1, with its tag and length.
const RSA_ENCRYPTION: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// The PKCS#1 key in a DER text, which is one itself or carries one in an X.509 `SubjectPublicKeyInfo`.
fn pkcs1_of(der: &[u8]) -> Option<&[u8]> {
    let (outer, after) = element(der, SEQUENCE)?;
    if !after.is_empty() {
        return None;
    }
    if let Some((_modulus, rest)) = element(outer, INTEGER) {
        let (_exponent, rest) = element(rest, INTEGER)?;
        return rest.is_empty().then_some(der);
    }
    let (algorithm, rest) = element(outer, SEQUENCE)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    let inner = bits.strip_prefix(&[0])?;
    if !algorithm.starts_with(&RSA_ENCRYPTION) || element(inner, SEQUENCE).is_none() {
        return None;
    }
    Some(inner)
}

/// The content of the element of this tag that `der` begins with, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        /// R34: whatever is given as a key or a signature is read to its end.
        #[test]
        fn any_der_and_any_hex_are_read(der: Vec<u8>, text: String) {
            if let Some(key) = pkcs1_of(&der) {
                prop_assert!(der.ends_with(key));
            }
            from_hex(&text);
        }
    }

    #[test]
    fn times_are_read_as_every_cli_prints_them() {
        for value in
            [json!("2023-08-21T15:40:27Z"), json!("1692632427.0"), json!(1_692_632_427.0), json!(1_692_632_427)]
        {
            assert_eq!(moment(&value).map(|time| time.timestamp()), Some(1_692_632_427), "{value}");
        }
        assert_eq!(moment(&json!("2023-08-21T17:40:27+02:00")), moment(&json!(1_692_632_427)));
        assert_eq!(moment(&json!("soon")), None);
        assert_eq!(moment(&json!(null)), None);
    }

    #[test]
    fn what_is_no_rsa_key_is_told() {
        for der in [&b""[..], b"\x30\x00", b"\x30\x82\xff\xff", b"\x30\x06\x02\x01\x01\x02\x01\x01\x00", b"\x30\x84"] {
            assert_eq!(pkcs1_of(der), None, "{der:?}");
        }
        assert_eq!(pkcs1_of(b"\x30\x06\x02\x01\x05\x02\x01\x03"), Some(&b"\x30\x06\x02\x01\x05\x02\x01\x03"[..]));
        let mut keys = PublicKeys::default();
        keys.add(&[json!({"Fingerprint": "f", "Value": "no base64!"})]).expect("a list of keys");
        assert!(keys.find("f").is_some_and(|key| !key.is_sound() && !key.verifies("text", "00")));
        assert!(keys.add(&[json!({"Value": ""})]).is_none());
    }

    #[test]
    fn hex_is_strict() {
        assert_eq!(from_hex("00fF"), Some(vec![0, 255]));
        for text in ["0", "0g", "é"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}

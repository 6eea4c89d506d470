//! Two RSA keys of 2048 bits, made with `openssl genpkey` for these tests and used for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use serde_json::{Value, json};

use super::{hex, sha256_hex};

/// A test key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestKey {
    /// The first.
    First,
    /// The one that it is replaced by.
    Second,
}

/// How a public key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    /// `RSAPublicKey`, what AWS's specification says.
    Pkcs1,
    /// `SubjectPublicKeyInfo`, what a sample of AWS's shows.
    Spki,
}

/// The head of a `SubjectPublicKeyInfo` over a PKCS#1 key of 2048 bits, which takes 270 bytes.
const SPKI_HEAD: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
    0x03, 0x82, 0x01, 0x0f, 0x00,
];

impl TestKey {
    fn pair(self) -> KeyPair {
        let der: &[u8] = match self {
            Self::First => include_bytes!("test-key-first.pkcs8.der"),
            Self::Second => include_bytes!("test-key-second.pkcs8.der"),
        };
        KeyPair::from_pkcs8(der).expect("a key that openssl made")
    }

    /// 32 hex digits, as AWS names its keys.
    pub fn fingerprint(self) -> String {
        sha256_hex(self.pair().public_key().as_ref()).split_off(32)
    }

    /// The public key's DER.
    pub fn public_der(self, form: KeyForm) -> Vec<u8> {
        let pair = self.pair();
        let pkcs1 = pair.public_key().as_ref();
        match form {
            KeyForm::Pkcs1 => pkcs1.to_vec(),
            KeyForm::Spki => [&SPKI_HEAD[..], pkcs1].concat(),
        }
    }

    /// The signature of a text, in hex.
    ///
    /// # Panics
    /// When the system gives no random bytes.
    pub fn sign(self, text: &str) -> String {
        let pair = self.pair();
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("random bytes");
        hex(&signature)
    }
}

/// What `aws cloudtrail list-public-keys` prints about keys.
pub fn public_keys(keys: &[TestKey], form: KeyForm) -> String {
    let list = keys.iter().map(|key| {
        json!({
            "Value": STANDARD.encode(key.public_der(form)),
            "ValidityStartTime": "2026-01-01T00:00:00+00:00",
            "ValidityEndTime": "1798761600.0",
            "Fingerprint": key.fingerprint(),
        })
    });
    json!({ "PublicKeyList": list.collect::<Vec<Value>>() }).to_string()
}

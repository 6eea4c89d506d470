//! The content of a log file against the hash that a digest file names.
//!
//! The content is hashed as it is unpacked and never held.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use keytrail_events::compression::is_gzip;
use keytrail_events::hash::{hex, sha256_hex};
use sha2::{Digest as _, Sha256};

use super::report::Fault;

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

/// Compares; the outcomes are those of the AWS CLI, which hashes what a cut file still gives. What somebody has unpacked is
/// taken as it is, since the hash is of the unpacked content.
pub(super) fn check(bytes: &[u8], expected: &str) -> Result<(), Fault> {
    // A file that was cut in its first bytes is gzip still; of an empty one the AWS CLI says the same.
    if GZIP_MAGIC.starts_with(bytes) {
        return Err(Fault::Hash);
    }
    if !is_gzip(bytes) {
        return if sha256_hex(bytes) == expected { Ok(()) } else { Err(Fault::Format) };
    }
    let mut member = GzDecoder::new(bytes);
    let mut hash = Sha256::new();
    match hash_all(&mut member, &mut hash) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(Fault::Format),
        Ok(()) if !member.into_inner().is_empty() => return Err(Fault::TrailingBytes),
        _ => {}
    }
    if hex(&hash.finalize()) == expected { Ok(()) } else { Err(Fault::Hash) }
}

fn hash_all(content: &mut impl Read, hash: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match content.read(&mut buffer)? {
            0 => return Ok(()),
            count => hash.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use keytrail_testkit::fixtures::gzip;

    use super::*;

    #[test]
    fn hashes_are_those_of_the_aws_cli_s_tests() {
        for (content, hash) in [
            ("{}", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
            (r#"{"foo":"bar"}"#, "7a38bf81f383f69433ad6e900d35b3e2385593f76a7b7ab5d4355b8ba41ee24b"),
            (r#"{"baz":"qux"}"#, "5b1070294963f40cb5b3c7a05d3fbaf7ffe4e5d226632026e39cfeb32d349c0c"),
        ] {
            assert_eq!(check(&gzip(content.as_bytes()), hash), Ok(()));
            assert_eq!(check(content.as_bytes(), hash), Ok(()), "unpacked");
        }
    }

    #[test]
    fn every_change_is_told() {
        let (packed, hash) = (gzip(b"{\"Records\":[]}"), sha256_hex(b"{\"Records\":[]}"));
        let damaged = { packed.iter().enumerate().map(|(at, byte)| if at == 12 { !byte } else { *byte }).collect() };
        for (bytes, outcome) in [
            (packed.clone(), Ok(())),
            (gzip(b"{\"Records\":[1]}"), Err(Fault::Hash)),
            ([packed.clone(), packed.clone()].concat(), Err(Fault::TrailingBytes)),
            ([packed.clone(), b"x".to_vec()].concat(), Err(Fault::TrailingBytes)),
            (packed[..packed.len() / 2].to_vec(), Err(Fault::Hash)),
            (damaged, Err(Fault::Format)),
            (b"{\"Records\":[1]}".to_vec(), Err(Fault::Format)),
            (packed[..2].to_vec(), Err(Fault::Hash)),
            (Vec::new(), Err(Fault::Hash)),
        ] {
            assert_eq!(check(&bytes, &hash), outcome, "{bytes:?}");
        }
    }
}

//! Account ids that lost a leading zero on the way: AWS's have 12 digits, and a spreadsheet or a JSON number keeps none in front.

use std::borrow::Cow;

const ACCOUNT_ID_LENGTH: usize = 12;

/// The account id with the zero that it lost; any other text as it stands. Shorter ones are made up far more often than they are ids that
/// begin with several zeros.
pub(crate) fn whole_account_id(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_short = text.len() + 1 == ACCOUNT_ID_LENGTH && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_short { Cow::Owned(format!("0{text}")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_eleven_digits_get_a_zero() {
        for (text, whole) in [
            ("12345678901", "012345678901"),
            ("1234567890", "1234567890"),
            ("1", "1"),
            ("111122223333", "111122223333"),
            ("1111222233334", "1111222233334"),
            ("anonymous", "anonymous"),
            ("1234567890a", "1234567890a"),
            ("", ""),
        ] {
            assert_eq!(whole_account_id(text.into()), whole, "{text}");
        }
    }
}

//! Account ids that lost their leading zeros on the way: AWS's have 12 digits, and a spreadsheet or a JSON number keeps none in front.

use std::borrow::Cow;

const ACCOUNT_ID_LENGTH: usize = 12;

/// The account id with the zeros that it lost; any other text as it stands.
pub(crate) fn whole_account_id(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_short = (1..ACCOUNT_ID_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_short { Cow::Owned(format!("{text:0>ACCOUNT_ID_LENGTH$}")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_that_are_too_few_get_zeros() {
        for (text, whole) in [
            ("12345678901", "012345678901"),
            ("1", "000000000001"),
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

//! Where text goes piece by piece: into a string, or past another text that it should be equal to.

/// Takes text piece by piece.
pub trait TextSink {
    /// Takes the next piece.
    fn push_str(&mut self, piece: &str);

    /// Takes the next character.
    fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }
}

impl TextSink for String {
    fn push_str(&mut self, piece: &str) {
        Self::push_str(self, piece);
    }

    fn push(&mut self, character: char) {
        Self::push(self, character);
    }
}

/// Compares what it takes with a text, without a copy of it.
#[derive(Debug)]
pub(crate) struct Comparison<'t> {
    /// What is still to come; `None` after a difference.
    rest: Option<&'t [u8]>,
}

impl<'t> Comparison<'t> {
    pub(crate) fn with(text: &'t str) -> Self {
        Self { rest: Some(text.as_bytes()) }
    }

    /// Whether all of the text came, and nothing else.
    pub(crate) fn is_same(&self) -> bool {
        self.rest == Some(&[])
    }
}

impl TextSink for Comparison<'_> {
    #[inline]
    fn push_str(&mut self, piece: &str) {
        self.rest = self.rest.and_then(|rest| rest.strip_prefix(piece.as_bytes()));
    }

    #[inline]
    fn push(&mut self, character: char) {
        match (u8::try_from(character), self.rest) {
            (Ok(byte), Some([first, rest @ ..])) if byte.is_ascii() && byte == *first => self.rest = Some(rest),
            (Ok(byte), _) if byte.is_ascii() => self.rest = None,
            _ => self.push_str(character.encode_utf8(&mut [0; 4])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_text_is_the_same() {
        let is_same = |pieces: &[&str]| {
            let mut comparison = Comparison::with("aé,b");
            for piece in pieces {
                match *piece {
                    "," | "a" | "é" | "x" => piece.chars().for_each(|character| comparison.push(character)),
                    _ => comparison.push_str(piece),
                }
            }
            comparison.is_same()
        };
        for pieces in [&["aé,b"][..], &["a", "é", ",", "", "b "[..1].as_ref()], &["aé", ",b"]] {
            assert!(is_same(pieces), "{pieces:?}");
        }
        for pieces in [&["aé,"][..], &["aé,b", ","], &["x", "é,b"], &["aé,b "], &["a", "a", "é,b"], &[]] {
            assert!(!is_same(pieces), "{pieces:?}");
        }
    }
}

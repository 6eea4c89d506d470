//! Errors of the expressions of a condition, as they come out of the reader of data files.
//!
//! The reader computes conditions while it decodes, and gives an expression's error back as the text of one of its own: a cast of the
//! user's would look like a damaged file. Here the expression's error is read out of that text, which is the engine's `Debug`.

use std::error::Error;
use std::iter;
use std::str::Chars;

use arrow_schema::ArrowError;
use datafusion::common::DataFusionError;

/// What the reader puts in front.
const PREFIX: &str = "Error evaluating filter predicate: ";

/// The error as the expression raised it; any other error as it is.
pub(crate) fn of_expression(error: DataFusionError) -> DataFusionError {
    match text_of(&error).map(read) {
        Some(raised) => raised,
        None => error,
    }
}

/// The text of an expression's error somewhere below `error`.
fn text_of(error: &DataFusionError) -> Option<&str> {
    let mut causes = iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
    causes.find_map(|cause| match cause.downcast_ref::<ArrowError>()? {
        ArrowError::ComputeError(message) => message.strip_prefix(PREFIX),
        _ => None,
    })
}

/// The error that a text stands for; where it is none that is known, the text is what is said.
fn read(text: &str) -> DataFusionError {
    let (mut name, mut rest) = variant(text);
    while matches!(name, "Context" | "Shared") {
        // Of a context only what it is about matters.
        let inner = rest.strip_prefix('"').and_then(|quoted| Some(quoted_text(quoted)?.1.trim_start_matches(", ")));
        (name, rest) = variant(inner.unwrap_or(rest));
    }
    let message = |rest: &str| rest.strip_prefix('"').and_then(quoted_text).map(|(message, _)| message);
    let told = match name {
        "Execution" => message(rest).map(DataFusionError::Execution),
        "ResourcesExhausted" => message(rest).map(DataFusionError::ResourcesExhausted),
        "ArrowError" => arrow_error(rest).map(DataFusionError::from),
        _ => None,
    };
    told.unwrap_or_else(|| DataFusionError::Execution(text.to_owned()))
}

fn arrow_error(text: &str) -> Option<ArrowError> {
    let (name, rest) = variant(text);
    let message = || rest.strip_prefix('"').and_then(quoted_text).map(|(message, _)| message);
    Some(match name {
        "DivideByZero" => ArrowError::DivideByZero,
        "CastError" => ArrowError::CastError(message()?),
        "ParseError" => ArrowError::ParseError(message()?),
        "ComputeError" => ArrowError::ComputeError(message()?),
        "InvalidArgumentError" => ArrowError::InvalidArgumentError(message()?),
        "ArithmeticOverflow" => ArrowError::ArithmeticOverflow(message()?),
        _ => return None,
    })
}

/// `Name(rest` as its two parts.
fn variant(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start_matches('('))
}

/// A text as `Debug` writes it, without the quote that opens it, and what follows the one that closes it.
fn quoted_text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((text, characters.as_str())),
            '\\' => text.push(escaped(&mut characters)?),
            other => text.push(other),
        }
    }
}

/// The character that stands behind a `\`.
fn escaped(characters: &mut Chars) -> Option<char> {
    Some(match characters.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'u' => {
            let (digits, rest) = characters.as_str().strip_prefix('{')?.split_once('}')?;
            *characters = rest.chars();
            char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use datafusion::parquet::errors::ParquetError;

    use super::*;

    /// As the reader gives it back.
    fn wrapped(error: &DataFusionError) -> DataFusionError {
        let text = ArrowError::ComputeError(format!("{PREFIX}{error:?}"));
        ParquetError::External(Box::new(text)).into()
    }

    #[test]
    fn an_expression_s_error_comes_back_as_it_was() {
        let odd = "a \"quoted\"\ttext\n\\ of 'É' \u{0}\u{200b}, Some(\"\"))";
        let cases = [
            DataFusionError::Execution(odd.to_owned()),
            DataFusionError::ResourcesExhausted(odd.to_owned()),
            ArrowError::DivideByZero.into(),
            ArrowError::CastError(odd.to_owned()).into(),
            ArrowError::ParseError(odd.to_owned()).into(),
            ArrowError::ComputeError(odd.to_owned()).into(),
            ArrowError::InvalidArgumentError(odd.to_owned()).into(),
            ArrowError::ArithmeticOverflow(odd.to_owned()).into(),
        ];
        for error in cases {
            let found = of_expression(wrapped(&error));
            assert_eq!(found.to_string(), error.to_string());
            let within = error.context("a \"context\"");
            assert_eq!(of_expression(wrapped(&within)).to_string(), found.to_string());
        }
    }

    #[test]
    fn an_unknown_error_is_told_by_its_text() {
        let error = DataFusionError::Internal("a defect".to_owned());
        let found = of_expression(wrapped(&error));
        assert_eq!(found.strip_backtrace(), "Execution error: Internal(\"a defect\")");
    }

    #[test]
    fn errors_of_files_are_left_as_they_are() {
        let eof = || DataFusionError::from(ParquetError::EOF("eof decoding byte array".to_owned()));
        assert_eq!(of_expression(eof()).to_string(), eof().to_string());
        let other = || DataFusionError::from(ArrowError::ComputeError("another".to_owned()));
        assert_eq!(of_expression(other()).to_string(), other().to_string());
    }
}

//! Why the bytes of a log file could not be had; objects that S3 has archived are told apart, since a restore gives them back.

/// Why the bytes of a log file could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The object lies in a class of S3 that must be restored from before it can be read.
    #[error("archived by S3 in class {storage_class}, to be restored before it can be read")]
    Archived {
        /// The class, such as `GLACIER` or `DEEP_ARCHIVE`; `unknown` where the server does not tell.
        storage_class: String,
    },
    /// The file system or the store failed, after its own retries.
    #[error("{0}")]
    Failed(String),
}

/// The code of S3's answer to a GET of an archived object.
const ARCHIVED: &str = "InvalidObjectState";

impl From<object_store::Error> for Unread {
    /// The answer's document is part of the error's text, and told in no other way.
    fn from(error: object_store::Error) -> Self {
        let text = error.to_string();
        if !text.contains(ARCHIVED) {
            return Self::Failed(text);
        }
        let storage_class = element(&text, "StorageClass").unwrap_or("unknown").to_owned();
        Self::Archived { storage_class }
    }
}

fn element<'t>(document: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = document.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(answer: &'static str) -> Unread {
        object_store::Error::PermissionDenied { path: "a/b".to_owned(), source: answer.into() }.into()
    }

    #[test]
    fn an_archived_object_is_told_by_the_answers_code() {
        for (answer, class) in [
            (
                "403 Forbidden: <Error><Code>InvalidObjectState</Code><StorageClass>DEEP_ARCHIVE</StorageClass></Error>",
                Some("DEEP_ARCHIVE"),
            ),
            ("403 Forbidden: <Error><Code>InvalidObjectState</Code></Error>", Some("unknown")),
            ("403 Forbidden: <Error><Code>AccessDenied</Code></Error>", None),
        ] {
            let found = match refused(answer) {
                Unread::Archived { storage_class } => Some(storage_class),
                Unread::Failed(_) => None,
            };
            assert_eq!(found.as_deref(), class, "{answer}");
        }
    }
}

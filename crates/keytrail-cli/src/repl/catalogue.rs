//! What there is to complete, asked of the session when it is first needed and kept.
//!
//! A question runs on the command's threads while the person waits at the editor, for a moment at most; what comes later
//! is there for the next Tab. What could steer the terminal is not offered.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use keytrail_query::{QueryError, Session};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::escape;
use crate::lock::lock;

/// How long a Tab waits for an answer.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a question may take; then nothing is offered.
const MAX_QUESTION: Duration = Duration::from_secs(15);

/// Names and values to complete from; those not known are empty.
pub(super) trait Known {
    /// Tables and views, sorted.
    fn relations(&self) -> Vec<String>;
    /// Columns of a table or view, in order.
    fn columns(&self, relation: &str) -> Words;
    /// Columns that any relation has, sorted.
    fn all_columns(&self) -> Vec<String>;
    /// Functions, sorted.
    fn functions(&self) -> Words;
    /// Names of events, the most frequent first.
    fn event_names(&self) -> Words;
    /// ARNs of keys and names of aliases, sorted.
    fn key_names(&self) -> Words;
    /// Texts of a column of few values, sorted.
    fn values_of(&self, column: &str) -> Words;
}

/// Words that several questions share.
pub(super) type Words = Arc<Vec<String>>;

/// The session's names and values.
pub(super) struct SessionCatalogue {
    session: Arc<Session>,
    threads: Handle,
    questions: Mutex<JoinSet<()>>,
    columns: Mutex<HashMap<String, Answer>>,
    functions: Answer,
    event_names: Answer,
    key_names: Answer,
    /// By column.
    values: Mutex<HashMap<String, Answer>>,
}

impl SessionCatalogue {
    /// A catalogue of the session that asks on `threads`.
    pub(super) fn new(session: Arc<Session>, threads: Handle) -> Self {
        Self {
            session,
            threads,
            questions: Mutex::default(),
            columns: Mutex::default(),
            functions: Answer::default(),
            event_names: Answer::default(),
            key_names: Answer::default(),
            values: Mutex::default(),
        }
    }

    /// The answer, asked for if nobody did.
    fn ask<Q>(&self, answer: &Answer, question: impl FnOnce(Arc<Session>) -> Q) -> Words
    where
        Q: Future<Output = Result<Vec<String>, QueryError>> + Send + 'static,
    {
        if answer.begin() {
            let (question, answer) = (question(Arc::clone(&self.session)), answer.clone());
            let ask = async move {
                let words = tokio::time::timeout(MAX_QUESTION, question).await;
                answer.give(words.ok().and_then(Result::ok).unwrap_or_default());
            };
            lock(&self.questions).spawn_on(ask, &self.threads);
        }
        answer.wait()
    }
}

impl Known for SessionCatalogue {
    fn relations(&self) -> Vec<String> {
        let views = self.session.views().map(|view| view.name.clone());
        let mut names: Vec<String> = self.session.table_names().into_iter().chain(views).collect();
        names.sort_unstable();
        names
    }

    fn columns(&self, relation: &str) -> Words {
        let answer = lock(&self.columns).entry(relation.to_owned()).or_default().clone();
        let relation = relation.to_owned();
        self.ask(&answer, move |session| async move {
            let description = session.describe(&relation).await?;
            Ok(description.columns.into_iter().map(|column| column.name).collect())
        })
    }

    fn all_columns(&self) -> Vec<String> {
        let of_events = keytrail_events::schema::table_schema();
        let mut names: Vec<String> = of_events.fields().iter().map(|field| field.name().clone()).collect();
        names.extend(self.session.views().flat_map(|view| &view.columns).map(|column| column.name.clone()));
        names.sort_unstable();
        names.dedup();
        names
    }

    fn functions(&self) -> Words {
        self.ask(&self.functions, |session| async move {
            Ok(session.functions().into_iter().map(|function| function.name).collect())
        })
    }

    fn event_names(&self) -> Words {
        self.ask(&self.event_names, |session| async move { session.event_names().await })
    }

    fn key_names(&self) -> Words {
        self.ask(&self.key_names, |session| async move { session.key_names().await })
    }

    fn values_of(&self, column: &str) -> Words {
        let answer = lock(&self.values).entry(column.to_owned()).or_default().clone();
        let column = column.to_owned();
        self.ask(&answer, move |session| async move { session.values_of(&column).await })
    }
}

/// An answer that may be on its way; copies are the same answer.
#[derive(Clone, Default)]
struct Answer(Arc<(Mutex<State>, Condvar)>);

#[derive(Clone, Default)]
enum State {
    #[default]
    NotAsked,
    Asked,
    Known(Words),
}

impl Answer {
    /// True for the first who asks.
    fn begin(&self) -> bool {
        let mut state = lock(&self.0.0);
        let is_first = matches!(*state, State::NotAsked);
        if is_first {
            *state = State::Asked;
        }
        is_first
    }

    fn give(&self, words: Vec<String>) {
        let words = words.into_iter().filter(|word| !word.contains(escape::is_unsafe)).collect();
        *lock(&self.0.0) = State::Known(Arc::new(words));
        self.0.1.notify_all();
    }

    /// The words, or none when they do not come in time.
    fn wait(&self) -> Words {
        let state = lock(&self.0.0);
        let is_asked = |state: &mut State| !matches!(state, State::Known(_));
        let waited = self.0.1.wait_timeout_while(state, PATIENCE, is_asked).unwrap_or_else(PoisonError::into_inner);
        match &*waited.0 {
            State::Known(words) => Arc::clone(words),
            _ => Words::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use keytrail_query::SessionOptions;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_answered_is_empty_and_asked_once() {
        let session = Session::over_tables(HashMap::new(), &SessionOptions::default()).expect("a session");
        let catalogue = SessionCatalogue::new(Arc::new(session), Handle::current());
        assert!(catalogue.event_names().is_empty() && catalogue.columns("nowhere").is_empty());
        assert!(!catalogue.event_names.begin());
        assert!(catalogue.functions().contains(&"max_by".to_owned()));
        assert!(catalogue.relations().contains(&"kms_key_usage".to_owned()));
        assert!(catalogue.all_columns().contains(&"event_time".to_owned()));
    }

    #[test]
    fn values_that_steer_the_terminal_are_not_offered() {
        let answer = Answer::default();
        assert!(answer.begin() && !answer.begin());
        answer.give(vec!["Decrypt".to_owned(), "\u{1b}[2J".to_owned(), "a\u{202e}b".to_owned()]);
        assert_eq!(*answer.wait(), ["Decrypt"]);
    }
}

//! A limit on the time of a statement.
//!
//! The clock is a thread of its own: a query that computes without a pause keeps the timers of the runtime from running.

use std::future::Future;
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::errors::{CliError, Exit};

/// Does `work` for as long as the limit allows; without one, to its end.
///
/// # Errors
/// Those of `work`, and one of its own when the time is up; `work` is dropped then.
pub(crate) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let Some(limit) = limit else {
        return work.await;
    };
    let (_clock, alarm) =
        Clock::start(limit).map_err(|error| CliError::input_output("cannot start threads", &error))?;
    tokio::select! {
        biased;
        outcome = work => outcome,
        Ok(()) = alarm => Err(too_slow(limit)),
    }
}

/// A thread that rings when the time is up; it ends with the value.
struct Clock {
    /// There until the value is dropped.
    running: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Clock {
    fn start(limit: Duration) -> io::Result<(Self, oneshot::Receiver<()>)> {
        let (ended, clock) = mpsc::channel();
        let (ring, alarm) = oneshot::channel();
        let wait = move || {
            // The other end is dropped when the work is done.
            if clock.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Nobody waits for it when the work has just ended.
                let (Ok(()) | Err(())) = ring.send(());
            }
        };
        let thread = thread::Builder::new().name("clock".to_owned()).spawn(wait)?;
        Ok((Self { running: Some((ended, thread)) }, alarm))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        if let Some((ended, thread)) = self.running.take() {
            drop(ended);
            // Joined and never detached: see `engine`. It has nothing left to do.
            drop(thread.join());
        }
    }
}

fn too_slow(limit: Duration) -> CliError {
    CliError::new(
        Exit::Unavailable,
        format!("the statement took longer than `--timeout` allows: {} s", limit.as_secs()),
    )
    .with_hint("allow more, or ask for less: a shorter period, one key, fewer columns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_ends_by_itself_or_when_the_time_is_up() {
        assert_eq!(within(None, async { Ok(1) }).await.expect("no limit"), 1);
        assert_eq!(within(Some(Duration::from_secs(3600)), async { Ok(2) }).await.expect("in time"), 2);
        let error = within(Some(Duration::from_millis(1)), std::future::pending::<Result<(), _>>()).await;
        assert_eq!(error.expect_err("too slow").exit(), Exit::Unavailable);
    }

    #[test]
    fn a_clock_that_is_not_wanted_any_more_has_ended() {
        let (clock, mut alarm) = Clock::start(Duration::from_secs(3600)).expect("a thread");
        drop(clock);
        // The thread had the other end.
        assert_eq!(alarm.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}

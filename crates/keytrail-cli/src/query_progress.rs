//! What a query has done so far, as one passing line on stderr while a person waits at a terminal.
//!
//! The line comes after half a second and is gone before anything else is written. It shows counts only: no text from
//! data. A thread of its own draws it, for a query may keep every other one busy.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use keytrail_query::{StatementCounts, StatementMetrics};

use crate::output;
use crate::progress::{bytes_text, count_text, counted};

/// Nobody waits for what is done sooner.
const DELAY: Duration = Duration::from_millis(500);
/// Time between two lines.
const PAUSE: Duration = Duration::from_millis(125);

/// The look into a statement, once it is planned.
pub(crate) type Live = Arc<OnceLock<StatementMetrics>>;

/// Draws until it is dropped or told to finish.
pub(crate) struct QueryProgress {
    live: Live,
    drawer: Option<(Sender<()>, JoinHandle<()>)>,
}

impl QueryProgress {
    /// Begins to wait; nothing is ever drawn where stderr is no terminal that moves its cursor.
    pub(crate) fn start() -> Self {
        let live = Live::default();
        let is_shown = output::stderr_is_terminal() && output::terminal_moves_cursor();
        Self { drawer: is_shown.then(|| drawer(Arc::clone(&live))).flatten(), live }
    }

    /// Where the statement is to leave the look into it.
    pub(crate) fn live(&self) -> Live {
        Arc::clone(&self.live)
    }

    /// Takes the line off the terminal; nothing more is drawn.
    pub(crate) fn finish(&mut self) {
        if let Some((stop, drawer)) = self.drawer.take() {
            drop(stop);
            drop(drawer.join());
        }
    }
}

impl Drop for QueryProgress {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Progress is no reason to fail: without a thread there is none.
fn drawer(live: Live) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (stop, stopped) = mpsc::channel::<()>();
    let start = Instant::now();
    let draw = move || {
        let mut pause = DELAY;
        while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let counts = live.get().map(StatementMetrics::counts);
            output::passing_line(&fitting(&text(counts, start.elapsed())));
            pause = PAUSE;
        }
        if start.elapsed() >= DELAY {
            output::passing_line("");
        }
    };
    let drawer = thread::Builder::new().name("query progress".to_owned()).spawn(draw).ok()?;
    Some((stop, drawer))
}

/// A line that wrapped could not be taken back.
fn fitting(line: &str) -> String {
    let (width, _) = output::screen_size();
    line.chars().take(usize::from(width).saturating_sub(1)).collect()
}

/// What has been read; before the statement is planned, that there is work. Such as `1,234 rows read, 1.6 MiB, 3 of 88 files, 2.5 s`; what is not known yet is left out.
fn text(counts: Option<StatementCounts>, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    match counts {
        None => parts.push("working".to_owned()),
        Some(counts) => {
            parts.push(format!("{} read", counted(counts.scanned_rows, "row")));
            if counts.bytes_read > 0 {
                parts.push(bytes_text(counts.bytes_read));
            }
            if counts.files_to_read > 0 {
                parts.push(format!("{} of {} files", count_text(counts.files_read), count_text(counts.files_to_read)));
            }
        }
    }
    parts.push(format!("{:.1} s (Ctrl-C cancels)", elapsed.as_secs_f64()));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_what_is_known() {
        let elapsed = Duration::from_millis(2_540);
        assert_eq!(text(None, elapsed), "working, 2.5 s (Ctrl-C cancels)");
        let logs = StatementCounts { scanned_rows: 1_234, ..StatementCounts::default() };
        assert_eq!(text(Some(logs), elapsed), "1,234 rows read, 2.5 s (Ctrl-C cancels)");
        let lake = StatementCounts { bytes_read: 3 << 19, files_read: 3, files_to_read: 88, files_pruned: 7, ..logs };
        assert_eq!(text(Some(lake), elapsed), "1,234 rows read, 1.5 MiB, 3 of 88 files, 2.5 s (Ctrl-C cancels)");
    }
}

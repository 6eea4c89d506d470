//! A progress bar on stderr when that is a terminal; silence in a pipe.
//!
//! It shows counts only: no text from data reaches the terminal here.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keytrail_convert::ConvertProgress;

use crate::lock::lock;
use crate::output;

const BYTES_TEMPLATE: &str = "{elapsed_precise} [{bar:30}] {bytes}/{total_bytes}, {msg}, {eta} left";
const WAIT_TEMPLATE: &str = "{elapsed_precise} {spinner} {msg}";
/// Redraws per second.
const REDRAWS: u8 = 8;

/// The progress of a conversion.
pub(crate) struct ConvertBar {
    bar: ProgressBar,
    start: Instant,
    planned_files: AtomicU64,
    files: AtomicU64,
    records: AtomicU64,
}

impl ConvertBar {
    /// A bar that says that the log files are being listed.
    pub(crate) fn start() -> Self {
        Self {
            bar: waiting("listing log files"),
            start: Instant::now(),
            planned_files: AtomicU64::new(0),
            files: AtomicU64::new(0),
            records: AtomicU64::new(0),
        }
    }

    /// Takes the bar off the terminal.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl ConvertProgress for ConvertBar {
    fn planned(&self, log_files: u64, bytes: u64) {
        self.planned_files.store(log_files, Ordering::Relaxed);
        self.bar.set_length(bytes);
        self.bar.set_style(style(BYTES_TEMPLATE));
    }

    fn log_file_read(&self, bytes: u64, records: u64) {
        let files = self.files.fetch_add(1, Ordering::Relaxed) + 1;
        let records = self.records.fetch_add(records, Ordering::Relaxed) + records;
        self.bar.inc(bytes);
        if !self.bar.is_hidden() {
            let planned = count_text(self.planned_files.load(Ordering::Relaxed));
            let rate = count_text(per_second(records, self.start.elapsed().as_secs_f64()));
            self.bar.set_message(format!("{}/{planned} files, {rate} records/s", count_text(files)));
        }
    }

    fn committed(&self, _rows: u64) {}
}

/// Progress as JSON lines on stderr, at most one a second; stdout is for the totals.
#[derive(Debug, Default)]
pub(crate) struct JsonProgress {
    planned: [AtomicU64; 2],
    read: [AtomicU64; 3],
    rows: AtomicU64,
    told: Mutex<Option<Instant>>,
}

/// At most one line in this time.
const JSON_PAUSE: Duration = Duration::from_secs(1);

impl JsonProgress {
    fn tell(&self, event: &str) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let line = serde_json::json!({
            "event": event,
            "planned_log_files": count(&self.planned[0]),
            "planned_bytes": count(&self.planned[1]),
            "log_files": count(&self.read[0]),
            "bytes": count(&self.read[1]),
            "records": count(&self.read[2]),
            "committed_rows": count(&self.rows),
        });
        output::event_line(&line.to_string());
    }
}

impl ConvertProgress for JsonProgress {
    fn planned(&self, log_files: u64, bytes: u64) {
        self.planned[0].store(log_files, Ordering::Relaxed);
        self.planned[1].store(bytes, Ordering::Relaxed);
        self.tell("planned");
    }

    fn log_file_read(&self, bytes: u64, records: u64) {
        for (counter, count) in self.read.iter().zip([1, bytes, records]) {
            counter.fetch_add(count, Ordering::Relaxed);
        }
        let mut told = lock(&self.told);
        if told.is_none_or(|told| told.elapsed() >= JSON_PAUSE) {
            *told = Some(Instant::now());
            self.tell("read");
        }
    }

    fn committed(&self, rows: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.tell("committed");
    }
}

/// A spinner with a word on what is going on, for work of unknown length.
pub(crate) fn waiting(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, draw_target());
    bar.set_style(style(WAIT_TEMPLATE));
    bar.set_message(what);
    bar
}

/// A bar over so many bytes of data files.
pub(crate) fn over_bytes(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), draw_target());
    bar.set_style(style(BYTES_TEMPLATE));
    bar
}

fn draw_target() -> ProgressDrawTarget {
    if output::stderr_is_terminal() {
        ProgressDrawTarget::stderr_with_hz(REDRAWS)
    } else {
        ProgressDrawTarget::hidden()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants").progress_chars("=> ")
}

/// Whole events per second.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rate for eyes"
)]
pub(crate) fn per_second(count: u64, seconds: f64) -> u64 {
    if seconds > 0.0 { (count as f64 / seconds) as u64 } else { count }
}

/// A count and what is counted: `1 record`, `2,000 records`.
pub(crate) fn counted(count: u64, thing: &str) -> String {
    format!("{} {thing}{}", count_text(count), if count == 1 { "" } else { "s" })
}

/// A count with its thousands set apart: `1,234,567`.
pub(crate) fn count_text(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in a binary unit: `1.6 GiB`.
#[expect(clippy::cast_precision_loss, reason = "a size for eyes")]
pub(crate) fn bytes_text(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_are_readable() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count_text(count), text);
        }
        for (bytes, text) in [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB")] {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}

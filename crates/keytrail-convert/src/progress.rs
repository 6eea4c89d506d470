//! How a conversion tells where it is, and how it is told to stop. It draws nothing.

use std::sync::atomic::{AtomicBool, Ordering};

/// Hears of a conversion's progress from many threads.
pub trait ConvertProgress: Send + Sync {
    /// The listing is complete: so many log files and bytes are to be read.
    fn planned(&self, log_files: u64, bytes: u64);
    /// One log file was read.
    fn log_file_read(&self, bytes: u64, records: u64);
    /// Everything read before a certain file is in the lake.
    fn committed(&self, rows: u64);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl ConvertProgress for NoProgress {
    fn planned(&self, _log_files: u64, _bytes: u64) {}
    fn log_file_read(&self, _bytes: u64, _records: u64) {}
    fn committed(&self, _rows: u64) {}
}

/// Asks a conversion to end before it is done.
#[derive(Debug, Default)]
pub struct StopSignal {
    is_stopped: AtomicBool,
    is_finishing: AtomicBool,
}

impl StopSignal {
    /// Asks to end at the last commit, within seconds; asking twice changes nothing.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Asks to read no further log file, and to commit what was read.
    pub fn finish(&self) {
        self.is_finishing.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Whether no further log file is to be read.
    pub fn is_ending(&self) -> bool {
        self.is_stopped() || self.is_finishing.load(Ordering::Relaxed)
    }
}

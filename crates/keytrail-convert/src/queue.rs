//! The log files of an attempt, in order, with their bytes: read by the workers themselves where they are near, fetched ahead where not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::lock::lock;
use crate::source::{LogFile, Unread};

/// Objects that are fetched ahead of the workers.
const FETCH_AHEAD: usize = 16;

/// A log file by its number, as the version that was read, with its bytes or why they could not be had.
pub(crate) type Fetched = (usize, Arc<LogFile>, Result<Bytes, Unread>);

/// Hands log files to workers in order.
pub(crate) enum FileQueue {
    /// Workers read the files themselves.
    Near { files: Vec<Arc<LogFile>>, next: AtomicUsize },
    /// A task fetches ahead.
    Far { fetched: Mutex<mpsc::Receiver<Fetched>>, _fetching: JoinSet<()> },
}

impl FileQueue {
    pub(crate) fn new(files: Vec<LogFile>) -> Self {
        let files: Vec<_> = files.into_iter().map(Arc::new).collect();
        if files.iter().all(|file| file.is_near()) {
            return Self::Near { files, next: AtomicUsize::new(0) };
        }
        let (sender, receiver) = mpsc::channel(FETCH_AHEAD);
        let mut fetching = JoinSet::new();
        fetching.spawn(async move {
            let fetches = files.into_iter().enumerate().map(|(number, file)| async move {
                let (file, bytes) = file.fetch_version().await;
                (number, file, bytes)
            });
            let mut fetched = futures::stream::iter(fetches).buffered(FETCH_AHEAD);
            while let Some(file) = fetched.next().await {
                if sender.send(file).await.is_err() {
                    return;
                }
            }
        });
        Self::Far { fetched: Mutex::new(receiver), _fetching: fetching }
    }

    /// The next log file; blocks until it is there.
    pub(crate) fn next(&self) -> Option<Fetched> {
        match self {
            Self::Far { fetched, .. } => lock(fetched).blocking_recv(),
            Self::Near { files, next } => {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let (file, bytes) = files.get(number)?.read_version();
                Some((number, file, bytes))
            }
        }
    }
}

//! The one way to lock a mutex of this crate.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks; what a thread held that panicked is whole, as none stops half-way through a change.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock, also where a thread has panicked with it: what is shown or completed is worth showing all the same.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The one way to take a lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes the lock. What it guards is whole also where a thread has panicked with it: each change is made in one step, and the panic itself
/// ends the work elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

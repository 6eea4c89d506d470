//! The threads that statements run on, and how to leave threads that do not come back.
//!
//! A task is cancelled where it waits; one that computes without a pause keeps its thread. The prompt leaves such
//! threads behind and goes on with new ones. It knows no statement and no signal.
//!
//! A thread is waited for or forgotten, never detached: glibc (seen in 2.36) looks at the memory of a thread that is being detached even
//! if it ends just then, and the memory of a stack as large as these is given back at once. A runtime detaches its threads when it is
//! told not to wait for them.

use std::mem::{self, ManuallyDrop};
use std::{io, thread};

use tokio::runtime::{Builder, Handle, Runtime};

/// Deeply nested SQL is planned recursively; pages that are not touched cost nothing.
pub(crate) const THREAD_STACK_BYTES: usize = 64 * 1024 * 1024;

/// Threads for a command: one per core.
///
/// # Errors
/// When the system gives no threads.
pub(crate) fn threads() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_stack_size(THREAD_STACK_BYTES).build()
}

/// The threads of the prompt's statements, apart from those of the command: what else the prompt does goes on. They live as long as the
/// process.
pub(crate) struct StatementThreads {
    runtime: ManuallyDrop<Runtime>,
}

impl StatementThreads {
    /// Starts them.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub(crate) fn start() -> io::Result<Self> {
        Ok(Self { runtime: ManuallyDrop::new(threads()?) })
    }

    /// Where to spawn.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Leaves the threads to whatever keeps them busy and starts new ones.
    ///
    /// # Errors
    /// When the system gives no threads; the old ones stay, unless there is none to wait for them.
    pub(crate) fn leave_behind(&mut self) -> io::Result<()> {
        let old = mem::replace(&mut self.runtime, ManuallyDrop::new(threads()?));
        let wait = move || drop(ManuallyDrop::into_inner(old));
        thread::Builder::new().name("left behind".to_owned()).spawn(wait)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::hint;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::task::JoinSet;

    use super::*;

    #[test]
    fn work_that_never_pauses_does_not_hold_up_what_comes_after_it() {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut threads = StatementThreads::start().expect("threads");
        let mut tasks = JoinSet::new();
        for _ in 0..threads.handle().metrics().num_workers() {
            let is_over = Arc::clone(&is_over);
            let busy = async move {
                while !is_over.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            };
            tasks.spawn_on(busy, threads.handle());
        }
        threads.leave_behind().expect("threads");
        let mut next = JoinSet::new();
        next.spawn_on(async { 42 }, threads.handle());
        let answer = super::threads().expect("threads").block_on(next.join_next());
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(answer.expect("a task").expect("no panic"), 42);
    }
}

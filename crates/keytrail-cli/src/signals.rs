//! Ctrl-C and SIGTERM: what a command does when one arrives.
//!
//! A command that only reads stops at once; one that writes is asked to end at its last commit, and a second signal, or
//! [`END_GRACE`], stops it; the prompt takes Ctrl-C for itself. It does not know what a clean end is: see the commands.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

/// A signal that ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Signals as they arrive, for as long as the value lives.
struct Signals {
    interrupt: SignalStream,
    terminate: SignalStream,
    /// Never waited for: as the signal is listened to, a write beyond the limit of a file's size (`ulimit -f`) fails with an error, which
    /// is told with the file, in place of the process being killed.
    _file_size: SignalStream,
}

/// `SIGXFSZ`, on Linux and macOS.
const FILE_SIZE_EXCEEDED: i32 = 25;

impl Signals {
    /// Starts to listen; from here on the signals no longer kill the process by themselves.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _file_size: signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED))?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

/// Ctrl-C for the prompt: none is lost between two looks.
pub(crate) struct Interrupts(watch::Receiver<u64>);

impl Interrupts {
    /// The next Ctrl-C since the last look.
    pub(crate) async fn next(&mut self) {
        // The sender is gone only when nobody supervises any more; then no Ctrl-C comes.
        if self.0.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether Ctrl-C came since the last look; the next look sees it again.
    pub(crate) fn has_come(&self) -> bool {
        self.0.has_changed().unwrap_or(false)
    }
}

/// How the running command wants to be interrupted, and the word that it has been.
#[derive(Clone)]
pub(crate) struct Interruption {
    manner: Arc<AtomicU8>,
    requested: watch::Sender<Option<Signal>>,
    /// Every Ctrl-C that the command keeps for itself.
    kept_interrupt_count: watch::Sender<u64>,
}

const STOP: u8 = 0;
const ASK: u8 = 1;
const KEEP_INTERRUPTS: u8 = 2;

impl Interruption {
    /// A command that nothing has interrupted; a signal would stop it at once.
    pub(crate) fn new() -> Self {
        Self {
            manner: Arc::new(AtomicU8::new(STOP)),
            requested: watch::Sender::new(None),
            kept_interrupt_count: watch::Sender::new(0),
        }
    }

    /// From now on the command is asked to end; it watches [`Interruption::requested`].
    pub(crate) fn ask_first(&self) {
        self.manner.store(ASK, Ordering::Relaxed);
    }

    /// From now on a signal stops the command, as at first.
    pub(crate) fn stop_at_once(&self) {
        self.manner.store(STOP, Ordering::Relaxed);
    }

    /// From now on Ctrl-C is the command's own business; SIGTERM still stops it.
    pub(crate) fn keep_interrupts(&self) {
        self.manner.store(KEEP_INTERRUPTS, Ordering::Relaxed);
    }

    /// Every Ctrl-C from now on that the command keeps for itself.
    pub(crate) fn interrupts(&self) -> Interrupts {
        Interrupts(self.kept_interrupt_count.subscribe())
    }

    /// Waits until the command is asked to end.
    pub(crate) async fn requested(&self) -> Signal {
        let mut receiver = self.requested.subscribe();
        let signal = receiver.wait_for(Option::is_some).await.ok().and_then(|signal| *signal);
        match signal {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }

    /// The signal that asked the command to end, if one did.
    pub(crate) fn received(&self) -> Option<Signal> {
        *self.requested.borrow()
    }

    /// What the command is to do about a signal.
    fn handle(&self, signal: Signal) -> Reaction {
        match self.manner.load(Ordering::Relaxed) {
            KEEP_INTERRUPTS if signal == Signal::Interrupt => {
                self.kept_interrupt_count.send_modify(|count| *count += 1);
                Reaction::GoOn
            }
            ASK if self.requested.send_replace(Some(signal)).is_none() => Reaction::End,
            _ => Reaction::Stop,
        }
    }
}

/// What a signal means for the command.
enum Reaction {
    /// Nothing for now.
    GoOn,
    /// It is asked to end.
    End,
    /// It is not waited for.
    Stop,
}

/// Whether a signal is ending the process: what waits for a person does not wait any more.
pub(crate) fn is_stopping() -> bool {
    IS_STOPPING.load(Ordering::Relaxed)
}

static IS_STOPPING: AtomicBool = AtomicBool::new(false);

/// How a supervised command ended.
pub(crate) enum Ended<T> {
    /// By itself, or as it was asked to.
    ByItself(T),
    /// Stopped by a signal.
    Stopped(Signal),
    /// By a panic, which has told its message.
    Panicked,
}

/// How long a stopped command has to tidy up; one that computes without a pause does not notice in time.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// How long a command that was asked to end has for that. What it writes stands any kill: stopping it costs work, no data.
const END_GRACE: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 4_000 });

/// Runs a command on a thread of its own and on the runtime `engine`.
///
/// The future itself is to be run on another runtime: a query that computes without a pause can keep every thread of
/// `engine` busy, and then nothing there hears of a signal or of the time.
///
/// # Errors
/// When the process cannot listen to signals or start a thread.
pub(crate) async fn supervise<T, F>(
    command: impl FnOnce(Interruption) -> F + Send + 'static,
    engine: Handle,
    stack_bytes: usize,
) -> io::Result<Ended<T>>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let mut signals = Signals::listen()?;
    let interruption = Interruption::new();
    let (outcome_sender, mut outcome) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let given = interruption.clone();
    let run = move || {
        let ended = engine.block_on(async {
            tokio::select! {
                outcome = command(given) => Some(outcome),
                _ = stopped => None,
            }
        });
        // Nobody waits for the outcome of a command that was too slow to stop.
        drop(outcome_sender.send(ended));
    };
    // Never detached, as a dropped handle is: see `engine`.
    let thread = thread::Builder::new().name("command".to_owned()).stack_size(stack_bytes).spawn(run)?;
    let mut asked = None;
    let signal = loop {
        tokio::select! {
            ended = &mut outcome => {
                // It has told its outcome, or panicked, and has only to end.
                drop(thread.join());
                return Ok(ended.ok().flatten().map_or(Ended::Panicked, Ended::ByItself));
            }
            signal = signals.next() => match interruption.handle(signal) {
                Reaction::GoOn => {}
                Reaction::End => asked = Some((signal, Instant::now() + END_GRACE)),
                Reaction::Stop => break signal,
            },
            signal = end_of_grace(asked) => break signal,
        }
    };
    IS_STOPPING.store(true, Ordering::Relaxed);
    drop(stop);
    drop(tokio::time::timeout(STOP_GRACE, outcome).await);
    // It may compute for ever.
    std::mem::forget(thread);
    Ok(Ended::Stopped(signal))
}

/// The signal that asked the command to end, when the time for that is up; never without one.
async fn end_of_grace(asked: Option<(Signal, Instant)>) -> Signal {
    let Some((signal, end)) = asked else { return std::future::pending().await };
    tokio::time::sleep_until(end).await;
    signal
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;
    use crate::engine::{THREAD_STACK_BYTES, threads};

    #[test]
    fn a_command_that_does_not_end_when_it_is_asked_to_is_stopped() {
        let command = |interruption: Interruption| async move {
            interruption.ask_first();
            // This process listens by now.
            Command::new("kill").args(["-TERM", &id().to_string()]).status().expect("kill");
            std::future::pending::<()>().await;
        };
        let engine = threads().expect("threads");
        let watch = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let ended = watch.block_on(supervise(command, engine.handle().clone(), THREAD_STACK_BYTES));
        assert!(matches!(ended, Ok(Ended::Stopped(Signal::Terminate))));
        std::mem::forget(engine);
    }
}

//! The memory that the statements of a session share: one half as it is asked for, the other in fair shares.
//!
//! The engine's fair pool gives every operator that can spill the same share from the start, whether the others need theirs or not. The
//! first answer about a key has more than a hundred of them at work, and a share of a gigabyte was too small to sort ten megabytes.
//!
//! Where memory is short, the engine's repartition writes to disk, and may then wait for ever for what it wrote itself
//! (apache/datafusion#24883; 55.2 has that). A statement that stands still after that ends with an error instead.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use futures::{StreamExt, stream};

/// How often it is looked whether a statement stands still.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// So many times in a row nobody asked for memory or gave some back: operators that work do so with every batch.
const STILL_LOOKS: u32 = 4;

/// What happens in a pool, as far as it tells whether statements go on.
#[derive(Debug, Default)]
pub(super) struct MemoryWatch {
    /// Requests and returns of memory.
    movements: AtomicU64,
    /// Requests of repartitions that were refused, which made them write to disk.
    spills: AtomicU64,
}

impl MemoryWatch {
    fn note_movement(&self) {
        self.movements.fetch_add(1, Ordering::Relaxed);
    }

    fn note_refusal(&self, reservation: &MemoryReservation) {
        if reservation.consumer().name().starts_with("RepartitionExec") {
            self.spills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The rows of a plan, or an error where it stands still.
pub(crate) fn watched_stream(
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let watch = context.session_config().get_extension::<MemoryWatch>();
    let rows = execute_stream(plan, context)?;
    Ok(match watch {
        Some(watch) => watched(rows, watch, LOOK_EVERY),
        None => rows,
    })
}

fn watched(
    rows: SendableRecordBatchStream,
    watch: Arc<MemoryWatch>,
    look_every: Duration,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let spills_before = watch.spills.load(Ordering::Relaxed);
    let rows = stream::unfold(rows, move |mut rows| {
        let watch = Arc::clone(&watch);
        async move {
            let (mut movements, mut still_looks) = (0, 0);
            loop {
                if let Ok(next) = tokio::time::timeout(look_every, rows.next()).await {
                    return next.map(|batch| (batch, rows));
                }
                let now = watch.movements.load(Ordering::Relaxed);
                still_looks = if now == movements { still_looks + 1 } else { 0 };
                movements = now;
                if still_looks >= STILL_LOOKS && watch.spills.load(Ordering::Relaxed) > spills_before {
                    let message = "memory ran short, and the engine stands still over what it wrote to disk";
                    return Some((Err(DataFusionError::ResourcesExhausted(message.to_owned())), rows));
                }
            }
        }
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

/// A pool of so many bytes. What got its memory before half was in use leaves the other half to the shares, so that the limit holds.
#[derive(Debug)]
pub(super) struct SharedMemory {
    limit_bytes: usize,
    /// Shares of the second half; counts what is in use of both.
    fair: FairSpillPool,
    watch: Arc<MemoryWatch>,
}

impl SharedMemory {
    pub(super) fn new(limit_bytes: usize, watch: Arc<MemoryWatch>) -> Self {
        Self { limit_bytes, fair: FairSpillPool::new(limit_bytes - limit_bytes / 2), watch }
    }

    /// What one asks for that cannot spill may take all that is left.
    fn available_bytes(&self, reservation: &MemoryReservation) -> usize {
        let most = if reservation.consumer().can_spill() { self.limit_bytes / 2 } else { self.limit_bytes };
        most.saturating_sub(self.fair.reserved())
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}({} bytes)", self.name(), self.limit_bytes)
    }
}

impl MemoryPool for SharedMemory {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.watch.note_movement();
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.watch.note_movement();
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        self.watch.note_movement();
        let available = self.available_bytes(reservation);
        if additional <= available {
            self.fair.grow(reservation, additional);
            return Ok(());
        }
        if reservation.consumer().can_spill() {
            let grown = self.fair.try_grow(reservation, additional);
            return grown.inspect_err(|_| self.watch.note_refusal(reservation));
        }
        let name = reservation.consumer().name();
        let message = format!("{name} needs {additional} bytes more, {available} of {} are left", self.limit_bytes);
        Err(DataFusionError::ResourcesExhausted(message))
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn consumer(pool: &Arc<dyn MemoryPool>, can_spill: bool) -> MemoryReservation {
        MemoryConsumer::new("sort").with_can_spill(can_spill).register(pool)
    }

    #[test]
    fn one_of_many_gets_what_the_others_do_not_ask_for() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(1000, Arc::default()));
        let idle: Vec<_> = (0..99).map(|_| consumer(&pool, true)).collect();
        let busy = consumer(&pool, true);
        busy.try_grow(500).expect("half is free");
        // From here on each has a hundredth of the other half.
        assert!(busy.try_grow(1).is_err());
        for one in &idle {
            one.try_grow(5).expect("its share");
            assert!(one.try_grow(1).is_err());
        }
        assert_eq!(pool.reserved(), 995, "the limit holds");
        let greedy = consumer(&pool, false);
        assert!(greedy.try_grow(6).is_err());
        greedy.try_grow(5).expect("what is left");
        drop(busy);
        assert!(idle[0].try_grow(1).is_err(), "half is in use");
        drop(idle);
        consumer(&pool, true).try_grow(400).expect("half is free again");
    }

    fn never(schema: &arrow_schema::SchemaRef) -> SendableRecordBatchStream {
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), stream::pending()))
    }

    #[tokio::test]
    async fn a_statement_that_stands_still_after_a_spill_ends() {
        const LOOK: Duration = Duration::from_millis(5);
        const LONG: Duration = Duration::from_millis(200);
        let schema = Arc::new(arrow_schema::Schema::empty());
        let watch = Arc::<MemoryWatch>::default();
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(1000, Arc::clone(&watch)));
        let mut rows = watched(never(&schema), Arc::clone(&watch), LOOK);
        assert!(tokio::time::timeout(LONG, rows.next()).await.is_err(), "nothing was refused: it may be slow");

        let repartition = MemoryConsumer::new("RepartitionExec[0]").with_can_spill(true).register(&pool);
        let mut rows = watched(never(&schema), Arc::clone(&watch), LOOK);
        assert!(repartition.try_grow(1001).is_err());
        let ended = rows.next().await.expect("an error");
        assert!(matches!(ended, Err(DataFusionError::ResourcesExhausted(_))), "{ended:?}");

        // While memory moves somebody works.
        let mut rows = watched(never(&schema), watch, LOOK);
        assert!(repartition.try_grow(1001).is_err());
        let busy = async {
            loop {
                repartition.grow(1);
                repartition.shrink(1);
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = busy => {}
            () = tokio::time::sleep(LONG) => {}
            ended = rows.next() => panic!("{ended:?}"),
        }
    }
}

//! The memory that the statements of a session share: one half as it is asked for, the other in fair shares.
//!
//! The engine's fair pool gives every operator that can spill the same share from the start, whether the others need theirs or not. The
//! first answer about a key has more than a hundred of them at work, and a share of a gigabyte was too small to sort ten megabytes.

use std::fmt;

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// A pool of so many bytes. What got its memory before half was in use leaves the other half to the shares, so that the limit holds.
#[derive(Debug)]
pub(super) struct SharedMemory {
    limit_bytes: usize,
    /// Shares of the second half; counts what is in use of both.
    fair: FairSpillPool,
}

impl SharedMemory {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, fair: FairSpillPool::new(limit_bytes - limit_bytes / 2) }
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
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let available = self.available_bytes(reservation);
        if additional <= available {
            self.fair.grow(reservation, additional);
            return Ok(());
        }
        if reservation.consumer().can_spill() {
            return self.fair.try_grow(reservation, additional);
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
    use std::sync::Arc;

    use super::*;

    fn consumer(pool: &Arc<dyn MemoryPool>, can_spill: bool) -> MemoryReservation {
        MemoryConsumer::new("sort").with_can_spill(can_spill).register(pool)
    }

    #[test]
    fn one_of_many_gets_what_the_others_do_not_ask_for() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(1000));
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
}

//! The memory that the statements of a session share: as asked for while half of it is free, in fair shares from then on.
//!
//! The engine's fair pool gives every operator that can spill the same share from the start, whether the others need theirs or not. The
//! first answer about a key has more than a hundred of them at work, and a share of a gigabyte was too small to sort ten megabytes.

use std::fmt;

use datafusion::common::Result;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// A pool of so many bytes.
#[derive(Debug)]
pub(super) struct SharedMemory {
    fair: FairSpillPool,
    /// What may be in use before shares matter.
    unshared_bytes: usize,
}

impl SharedMemory {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { fair: FairSpillPool::new(limit_bytes), unshared_bytes: limit_bytes / 2 }
    }
}

impl fmt::Display for SharedMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}(first {} bytes unshared)", self.name(), self.unshared_bytes)
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
        // Two who ask at once may pass the half by what one of them gets; the other half is there for that.
        if self.fair.reserved().saturating_add(additional) <= self.unshared_bytes {
            self.fair.grow(reservation, additional);
            return Ok(());
        }
        self.fair.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
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
        // From here on each has a hundredth.
        assert!(busy.try_grow(1).is_err());
        idle[0].try_grow(10).expect("its share");
        assert!(idle[0].try_grow(1).is_err());
        consumer(&pool, false).try_grow(490).expect("what is left");
        drop(busy);
        idle[1].try_grow(400).expect("half is free again");
        assert_eq!((pool.reserved(), idle[0].size(), idle[1].size()), (410, 10, 400));
    }
}

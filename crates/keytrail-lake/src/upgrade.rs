//! A table of an earlier format becomes one of this format: its log gets the columns that it lacks.
//!
//! Data files stay as they are; their rows have null in those columns. Programs that know only the earlier format refuse the table from then on.

use std::collections::HashMap;

use crate::commit::{MAX_ATTEMPTS, is_race, pause};
use crate::error::LakeError;
use crate::log::LockedLog;
use crate::table::Table;

impl Table {
    /// Adds the columns that the table's log lacks, whoever else is at it.
    pub(crate) async fn upgrade(&self) -> Result<(), LakeError> {
        let mut log = self.log().lock().await;
        let mut last_error = None;
        for attempt in 0..MAX_ATTEMPTS {
            let Some(upgrade) = log.upgrade().await? else { return settled(&log, attempt).await };
            self.storage().require_conditional_put().await?;
            match log.attempt(vec![upgrade.metadata], upgrade.operation, upgrade.transaction, HashMap::new()).await {
                Ok(version) => {
                    log.checkpoint_if_due(version).await;
                    return Ok(());
                }
                Err(error) => {
                    let is_race = is_race(&error);
                    last_error = Some(LakeError::log(self.storage(), error));
                    if !is_race {
                        break;
                    }
                    pause(attempt).await;
                }
            }
        }
        // The error does not tell whether the columns are there: its reply may have been lost.
        if log.upgrade().await?.is_none() {
            return settled(&log, 1).await;
        }
        Err(last_error.unwrap_or_else(|| LakeError::corrupt(self.storage(), "its columns could not be added")))
    }
}

/// That the columns are there was read from the log after an error: it is durable only once the log's folder is.
async fn settled(log: &LockedLog<'_>, earlier_attempts: u32) -> Result<(), LakeError> {
    if earlier_attempts > 0 { log.storage().settle("_delta_log").await } else { Ok(()) }
}

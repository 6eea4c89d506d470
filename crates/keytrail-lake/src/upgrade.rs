//! A table of an earlier format becomes one of this format: its log gets the columns that it lacks.
//!
//! Data files stay as they are; their rows have null in those columns. Programs that know only the earlier format refuse the table from then on.

use std::collections::HashMap;

use crate::commit::{MAX_ATTEMPTS, is_lost_race, settled};
use crate::error::LakeError;
use crate::table::Table;

impl Table {
    /// Adds the columns that the table's log lacks, whoever else is at it.
    pub(crate) async fn upgrade(&self) -> Result<(), LakeError> {
        let mut log = self.log().lock().await;
        let mut last_error = None;
        for attempt in 0..MAX_ATTEMPTS {
            let Some(upgrade) = log.upgrade().await? else { return settled(&log, attempt, ()).await };
            self.storage().require_conditional_put().await?;
            match log.attempt(vec![upgrade.metadata], upgrade.operation, upgrade.transaction, HashMap::new()).await {
                Ok(version) => {
                    log.checkpoint_if_due(version).await;
                    return Ok(());
                }
                Err(error) => {
                    let may_try_again = is_lost_race(&error, attempt).await;
                    last_error = Some(LakeError::log(self.storage(), error));
                    if !may_try_again {
                        break;
                    }
                }
            }
        }
        // The error does not tell whether the columns are there: its reply may have been lost.
        if log.upgrade().await?.is_none() {
            return settled(&log, 1, ()).await;
        }
        Err(last_error.unwrap_or_else(|| LakeError::corrupt(self.storage(), "its columns could not be added")))
    }
}

//! A table of an earlier format becomes one of this format: its log gets the columns that it lacks.
//!
//! Data files stay as they are; their rows have null in those columns. Programs that know only the earlier format refuse the table from then on.

use std::collections::HashMap;

use crate::commit::{MAX_ATTEMPTS, is_race, pause};
use crate::error::LakeError;
use crate::table::Table;

impl Table {
    /// Adds the columns that the table's log lacks, whoever else is at it.
    pub(crate) async fn upgrade(&self) -> Result<(), LakeError> {
        let mut log = self.log().lock().await;
        let mut last_error = None;
        for attempt in 0..MAX_ATTEMPTS {
            let Some(upgrade) = log.upgrade().await? else {
                // That the columns are there may have been read after an error: it is durable only once the log's folder is.
                return if attempt > 0 { log.storage().settle("_delta_log").await } else { Ok(()) };
            };
            self.storage().require_conditional_put().await?;
            match log.attempt(vec![upgrade.metadata], upgrade.operation, upgrade.transaction, HashMap::new()).await {
                Ok(version) => {
                    log.checkpoint_if_due(version).await;
                    return Ok(());
                }
                Err(error) => {
                    // The error may hide a commit that came through: the next turn looks, and tries once more.
                    let is_over = !is_race(&error) && attempt > 0;
                    last_error = Some(LakeError::log(self.storage(), error));
                    if is_over {
                        break;
                    }
                    pause(attempt).await;
                }
            }
        }
        Err(last_error.unwrap_or_else(|| LakeError::corrupt(self.storage(), "its columns could not be added")))
    }
}

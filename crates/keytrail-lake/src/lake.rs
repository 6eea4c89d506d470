//! A lake: its place and its tables.
//!
//! It does not know what the tables hold: see [`LakeSpec`].

use futures::future::join_all;

use crate::error::LakeError;
use crate::location::Location;
use crate::storage::{Storage, StorageOptions, open_storage};
use crate::table::{LakeSpec, Table};

/// An open lake.
#[derive(Debug, Clone)]
pub struct Lake {
    storage: Storage,
    tables: Vec<Table>,
}

impl Lake {
    /// Opens the lake at a location, and creates it or its missing tables first.
    ///
    /// # Errors
    ///
    /// [`LakeError::NewerFormat`] and [`LakeError::SchemaMismatch`] for a lake of another version,
    /// [`LakeError::NotALake`] when tables of somebody else are there, [`LakeError::Corrupt`] when a table is missing beside others that
    /// have rows, [`LakeError::Unsupported`] for an S3 server without conditional writes, [`LakeError::Storage`].
    pub async fn create_or_open(
        location: &Location,
        options: &StorageOptions,
        spec: LakeSpec,
    ) -> Result<Self, LakeError> {
        Self::create_or_open_in(open_storage(location, options).await?, spec).await
    }

    /// Opens the lake at a location; writes nothing.
    ///
    /// # Errors
    ///
    /// [`LakeError::NotALake`] when one of the tables is missing or not keytrail's, [`LakeError::Corrupt`] when it is missing beside others
    /// that have rows, [`LakeError::NewerFormat`] and [`LakeError::SchemaMismatch`] for a lake of another version, [`LakeError::Storage`].
    pub async fn open(location: &Location, options: &StorageOptions, spec: LakeSpec) -> Result<Self, LakeError> {
        Self::open_in(open_storage(location, options).await?, spec).await
    }

    /// As [`Self::create_or_open`], on an open store.
    ///
    /// # Errors
    ///
    /// As [`Self::create_or_open`].
    pub async fn create_or_open_in(storage: Storage, spec: LakeSpec) -> Result<Self, LakeError> {
        storage.refuse_file()?;
        let tables = tables_of(&storage, &spec)?;
        let exist: Vec<bool> = first_error(join_all(tables.iter().map(Table::exists)).await)?;
        refuse_lost_table(&tables, &exist).await?;
        let tables = tables.into_iter().zip(exist).map(|(table, exists)| table.create_or_open(exists));
        let tables = first_error(join_all(tables).await)?;
        Ok(Self { storage, tables })
    }

    /// As [`Self::open`], on an open store.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_in(storage: Storage, spec: LakeSpec) -> Result<Self, LakeError> {
        storage.refuse_file()?;
        let tables = tables_of(&storage, &spec)?;
        let opened = first_error(join_all(tables.iter().cloned().map(Table::open)).await);
        if let Err(LakeError::NotALake { .. }) = opened {
            let exist: Vec<bool> = first_error(join_all(tables.iter().map(Table::exists)).await)?;
            refuse_lost_table(&tables, &exist).await?;
        }
        Ok(Self { storage, tables: opened? })
    }

    /// The table of a name.
    ///
    /// # Panics
    ///
    /// When the lake's spec has no table of that name: names are constants of the caller.
    pub fn table(&self, name: &str) -> &Table {
        let found = self.tables.iter().find(|table| table.spec().name == name);
        found.unwrap_or_else(|| panic!("the lake's spec has no table `{name}`"))
    }

    /// All tables, in the order of the spec.
    pub fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// The lake's root.
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Where the lake is.
    pub fn location(&self) -> &Location {
        self.storage.location()
    }
}

fn tables_of(storage: &Storage, spec: &LakeSpec) -> Result<Vec<Table>, LakeError> {
    spec.tables.iter().map(|table| Table::new(storage, table, spec.format_version)).collect()
}

/// Tables are made together before any has rows: where one is missing beside rows it was lost, and a new one in its place would be silence
/// about that.
async fn refuse_lost_table(tables: &[Table], exist: &[bool]) -> Result<(), LakeError> {
    let Some((lost, _)) = tables.iter().zip(exist).find(|(_, exists)| !**exists) else { return Ok(()) };
    for (table, _) in tables.iter().zip(exist).filter(|(_, exists)| **exists) {
        if !table.snapshot().await?.files().is_empty() {
            let reason = format!("the table is missing, and `{}` of the same lake has rows", table.spec().name);
            return Err(LakeError::corrupt(lost.storage(), reason));
        }
    }
    Ok(())
}

/// All of them, or the error of the first in the spec's order, so that the same lake gives the same message.
fn first_error<T>(results: Vec<Result<T, LakeError>>) -> Result<Vec<T>, LakeError> {
    results.into_iter().collect()
}

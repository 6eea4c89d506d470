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
    /// [`LakeError::NotALake`] when tables of somebody else are there, [`LakeError::Unsupported`] for an S3 server
    /// without conditional writes, [`LakeError::Storage`].
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
    /// [`LakeError::NotALake`] when one of the tables is missing or not keytrail's, [`LakeError::NewerFormat`] and
    /// [`LakeError::SchemaMismatch`] for a lake of another version, [`LakeError::Storage`].
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
        let tables = spec.tables.iter().map(|table| Table::create_or_open(&storage, table, spec.format_version));
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
        let tables = spec.tables.iter().map(|table| Table::open(&storage, table, spec.format_version));
        let tables = first_error(join_all(tables).await)?;
        Ok(Self { storage, tables })
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

/// All tables, or the error of the first in the spec's order, so that the same lake gives the same message.
fn first_error(tables: Vec<Result<Table, LakeError>>) -> Result<Vec<Table>, LakeError> {
    tables.into_iter().collect()
}

//! The footer of a data file, and reading its rows' bytes no other than they were written.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::block_sums::{BlockSums, Mismatch};
use crate::snapshot::DataFile;

/// Read at once where the log does not tell where the footer begins; most come with one request.
const FOOTER_BYTES: u64 = 64 * 1024;

/// A data file's footer with its page index, and the checksums of its rows' bytes.
#[derive(Debug)]
pub struct DataFileFooter {
    name: Arc<str>,
    metadata: Arc<ParquetMetaData>,
    /// None = the file is of a version or a program that keeps none.
    sums: Option<BlockSums>,
}

impl DataFileFooter {
    /// Reads the footer through a reader of the file's bytes, compared with what the log tells of it; `name` is for messages.
    ///
    /// # Errors
    /// [`DamagedFile`] inside of [`ParquetError::External`] for other bytes than were written; what the reader says, and what the decoder
    /// says of a file without checksums.
    pub async fn read(reader: &mut (dyn AsyncFileReader + Send), file: &DataFile, name: &str) -> Result<Self> {
        let mut decoder = ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Optional);
        let name = Arc::from(name);
        let Some(tail) = file.tail else {
            let mut wanted = FOOTER_BYTES.min(file.size_bytes);
            loop {
                let bytes = reader.get_bytes(file.size_bytes - wanted..file.size_bytes).await?;
                match decoder.try_parse_sized(&bytes, file.size_bytes) {
                    Err(ParquetError::NeedMoreData(more))
                        if (wanted + 1..=file.size_bytes).contains(&(more as u64)) =>
                    {
                        wanted = more as u64;
                    }
                    parsed => break parsed?,
                }
            }
            return Ok(Self { name, metadata: Arc::new(decoder.finish()?), sums: None });
        };
        if tail.offset >= file.size_bytes {
            return Err(damaged(&name, Mismatch { bytes: file.size_bytes..tail.offset }));
        }
        let bytes = reader.get_bytes(tail.offset..file.size_bytes).await?;
        let sums = BlockSums::of_tail(tail, bytes.clone()).map_err(|mismatch| damaged(&name, mismatch))?;
        decoder.try_parse_sized(&bytes, file.size_bytes)?;
        Ok(Self { name, metadata: Arc::new(decoder.finish()?), sums: Some(sums) })
    }

    /// The footer, page index included.
    pub fn metadata(&self) -> &Arc<ParquetMetaData> {
        &self.metadata
    }

    /// Reads bytes of the file's rows, compared with what was written where the file has checksums.
    ///
    /// # Errors
    /// As [`DataFileFooter::read`]; [`ParquetError::EOF`] for a range that leads out of the rows.
    pub async fn read_ranges(
        &self,
        reader: &mut (dyn AsyncFileReader + Send),
        ranges: Vec<Range<u64>>,
    ) -> Result<Vec<Bytes>> {
        let Some(sums) = &self.sums else { return reader.get_byte_ranges(ranges).await };
        let blocks = |range| {
            let outside = || ParquetError::EOF(format!("bytes {range:?} of {} are no rows", self.name));
            sums.blocks_around(range).ok_or_else(outside)
        };
        let runs = merged(ranges.iter().map(blocks).collect::<Result<Vec<_>>>()?);
        let read = reader.get_byte_ranges(runs.clone()).await?;
        for (run, bytes) in runs.iter().zip(&read) {
            let compared = match bytes.len() as u64 == run.end - run.start {
                true => sums.verify(run.start, bytes),
                false => Err(Mismatch { bytes: run.clone() }),
            };
            compared.map_err(|mismatch| damaged(&self.name, mismatch))?;
        }
        let part = |range: &Range<u64>| {
            let run = runs.partition_point(|run| run.end < range.end);
            let [start, end] = [range.start, range.end].map(|place| usize::try_from(place - runs[run].start));
            read[run].slice(start.unwrap_or(usize::MAX)..end.unwrap_or(usize::MAX))
        };
        Ok(ranges.iter().map(part).collect())
    }

    /// About the memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.metadata.memory_size() + self.sums.as_ref().map_or(0, BlockSums::size_bytes)
    }
}

/// The same bytes in ranges that neither meet nor overlap, in their order: blocks are shared by what lies in them.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut runs: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match runs.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => runs.push(range),
        }
    }
    runs
}

fn damaged(name: &Arc<str>, mismatch: Mismatch) -> ParquetError {
    ParquetError::External(Box::new(DamagedFile { path: name.to_string(), bytes: mismatch.bytes }))
}

/// A data file has other bytes than were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedFile {
    /// The file.
    pub path: String,
    /// The bytes among which some are other ones, from the file's start.
    pub bytes: Range<u64>,
}

impl fmt::Display for DamagedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {} to {} are not those that were written", self.bytes.start, self.bytes.end)
    }
}

impl std::error::Error for DamagedFile {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_or_overlap_become_one() {
        assert_eq!(merged(vec![8..12, 0..4, 4..8, 20..24, 22..30, 21..22]), [0..12, 20..30]);
        assert_eq!(merged(Vec::new()), []);
    }
}

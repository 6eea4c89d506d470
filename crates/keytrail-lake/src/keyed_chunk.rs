//! A column chunk of texts that come as keys of one dictionary: written without a look at each row's text.
//!
//! ```text
//! dictionary page ║ page: levels │ width │ indices ║ page …      as parquet's own writer lays it out
//! ```
//! That writer hashes the text of every row to find its index; here each text of a row group is touched once. It writes no statistics and
//! no bloom filter: columns that have those go the other way, see [`crate::encoder`].

use arrow_array::{Array, StringArray, UInt32Array};
use parquet::basic::{Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::hybrid::push_hybrid;
use crate::writer::{ZSTD_LEVEL, compression};

/// Compresses pages; one for all chunks of a file, as a context is large.
pub(crate) struct PageCompressor(zstd::bulk::Compressor<'static>);

impl PageCompressor {
    pub(crate) fn try_new() -> Result<Self> {
        Ok(Self(zstd::bulk::Compressor::new(ZSTD_LEVEL)?))
    }

    fn compress(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        let mut compressed = self.0.compress(bytes)?;
        compressed.shrink_to_fit();
        Ok(compressed)
    }
}

/// A column chunk under way.
pub(crate) struct KeyedChunk {
    descriptor: ColumnDescPtr,
    texts: StringArray,
    /// The index of each key's text in the chunk's dictionary, plus one; 0 = it has none yet.
    indices_of_keys: Vec<u32>,
    dictionary: Vec<u8>,
    dictionary_count: u32,
    page_rows: usize,
    /// 1 for each row of the page with a text, else 0.
    levels: Vec<u32>,
    /// The index of each text of the page.
    indices: Vec<u32>,
    pages: TrackedWrite<Vec<u8>>,
    page_specs: Vec<PageWriteSpec>,
    page_row_counts: Vec<usize>,
}

impl KeyedChunk {
    /// A chunk of some of `texts`, with pages of `page_rows` rows.
    pub(crate) fn new(descriptor: ColumnDescPtr, texts: StringArray, page_rows: usize) -> Self {
        Self {
            descriptor,
            indices_of_keys: vec![0; texts.len()],
            texts,
            dictionary: Vec::new(),
            dictionary_count: 0,
            page_rows,
            levels: Vec::new(),
            indices: Vec::new(),
            pages: TrackedWrite::new(Vec::new()),
            page_specs: Vec::new(),
            page_row_counts: Vec::new(),
        }
    }

    /// Whether its keys are keys of `texts`.
    pub(crate) fn has_texts(&self, texts: &StringArray) -> bool {
        let is_same_slice = |left: &[u8], right: &[u8]| std::ptr::eq(left, right);
        self.texts.len() == texts.len() && is_same_slice(self.texts.value_data(), texts.value_data())
    }

    /// Appends a row per key.
    pub(crate) fn write(&mut self, keys: &UInt32Array, compressor: &mut PageCompressor) -> Result<()> {
        for key in keys {
            self.levels.push(u32::from(key.is_some()));
            if let Some(key) = key {
                let index = self.index_of(key as usize);
                self.indices.push(index);
            }
            if self.levels.len() == self.page_rows {
                self.end_page(compressor)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn index_of(&mut self, key: usize) -> u32 {
        if self.indices_of_keys[key] == 0 {
            let text = self.texts.value(key);
            // No array holds a text of four gigabytes.
            self.dictionary.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            self.dictionary.extend_from_slice(text.as_bytes());
            self.dictionary_count += 1;
            self.indices_of_keys[key] = self.dictionary_count;
        }
        self.indices_of_keys[key] - 1
    }

    fn end_page(&mut self, compressor: &mut PageCompressor) -> Result<()> {
        let mut bytes = Vec::new();
        if self.descriptor.max_def_level() > 0 {
            push_levels(&mut bytes, &self.levels);
        } else if self.levels.len() != self.indices.len() {
            return Err(ParquetError::General(format!("null in {}, which has none", self.descriptor.path())));
        }
        let width = u32::BITS - self.dictionary_count.saturating_sub(1).leading_zeros();
        bytes.push(width.to_le_bytes()[0]);
        push_hybrid(&mut bytes, &self.indices, width);
        let page = Page::DataPage {
            buf: compressor.compress(&bytes)?.into(),
            num_values: u32::try_from(self.levels.len())?,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.page_specs.push(write_page(&mut self.pages, page, bytes.len())?);
        self.page_row_counts.push(self.levels.len());
        self.levels.clear();
        self.indices.clear();
        Ok(())
    }

    /// About how many bytes it will have.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.pages.bytes_written() + self.dictionary.len() + self.indices.len() * 2
    }

    /// How many bytes its dictionary has.
    pub(crate) fn dictionary_bytes(&self) -> usize {
        self.dictionary.len()
    }

    /// Ends the chunk and appends it to its row group.
    pub(crate) fn append_to_row_group(
        mut self,
        row_group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        compressor: &mut PageCompressor,
    ) -> Result<()> {
        if !self.levels.is_empty() {
            self.end_page(compressor)?;
        }
        let mut chunk = TrackedWrite::new(Vec::new());
        let dictionary = Page::DictionaryPage {
            buf: compressor.compress(&self.dictionary)?.into(),
            num_values: self.dictionary_count,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let dictionary = write_page(&mut chunk, dictionary, self.dictionary.len())?;
        let close = self.close(&dictionary)?;
        let mut chunk = chunk.into_inner()?;
        chunk.extend_from_slice(&self.pages.into_inner()?);
        row_group.append_column(&bytes::Bytes::from(chunk), close)
    }

    fn close(&self, dictionary: &PageWriteSpec) -> Result<ColumnCloseResult> {
        let sum =
            |size: fn(&PageWriteSpec) -> usize| size(dictionary) + self.page_specs.iter().map(size).sum::<usize>();
        let row_count: usize = self.page_row_counts.iter().sum();
        let encoding_stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let page_count = i32::try_from(self.page_specs.len())?;
        let metadata = ColumnChunkMetaData::builder(self.descriptor.clone())
            .set_compression(compression()?)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                encoding_stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                encoding_stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, page_count),
            ])
            .set_total_compressed_size(i64::try_from(sum(|spec| spec.compressed_size))?)
            .set_total_uncompressed_size(i64::try_from(sum(|spec| spec.uncompressed_size))?)
            .set_num_values(i64::try_from(row_count)?)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(i64::try_from(dictionary.compressed_size)?)
            .build()?;
        let mut offset_index = OffsetIndexBuilder::new();
        for (spec, row_count) in self.page_specs.iter().zip(&self.page_row_counts) {
            let offset = i64::try_from(dictionary.compressed_size)? + i64::try_from(spec.offset)?;
            offset_index.append_row_count(i64::try_from(*row_count)?);
            offset_index.append_offset_and_size(offset, i32::try_from(spec.compressed_size)?);
        }
        Ok(ColumnCloseResult {
            bytes_written: sum(|spec| spec.compressed_size) as u64,
            rows_written: row_count as u64,
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: Some(offset_index.build()),
        })
    }
}

/// Levels of at most 1, behind their length.
fn push_levels(out: &mut Vec<u8>, levels: &[u32]) {
    out.extend_from_slice(&[0; 4]);
    push_hybrid(out, levels, 1);
    let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
    out[..4].copy_from_slice(&length.to_le_bytes());
}

fn write_page(sink: &mut TrackedWrite<Vec<u8>>, page: Page, uncompressed_bytes: usize) -> Result<PageWriteSpec> {
    SerializedPageWriter::new(sink).write_page(CompressedPage::new(page, uncompressed_bytes))
}

//! A column chunk of texts that come as keys of one dictionary: written without a look at each row's text.
//!
//! ```text
//! dictionary page ║ page: levels │ width │ indices ║ page …      as parquet's own writer lays it out
//! ```
//! That writer hashes the text of every row to find its index; here each text of a row group is touched once, or once a page where bounds
//! are kept: see [`crate::keyed_bounds`].

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, StringArray, UInt32Array};
use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, OffsetIndexBuilder, PageEncodingStats};
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use crate::hybrid::push_hybrid;
use crate::keyed_bounds::KeyedBounds;
use crate::writer::Effort;

/// Compresses pages; one for all chunks of a file, as a context is large.
pub(crate) struct PageCompressor {
    zstd: zstd::bulk::Compressor<'static>,
    /// The page under way.
    page: Vec<u8>,
    compressed: Vec<u8>,
}

impl PageCompressor {
    pub(crate) fn try_new(effort: Effort) -> Result<Self> {
        let zstd = zstd::bulk::Compressor::new(effort.keyed_level())?;
        Ok(Self { zstd, page: Vec::new(), compressed: Vec::new() })
    }

    /// A page to be filled. All pages of a file are made in the same memory: a dictionary takes megabytes, which the system clears anew
    /// for each.
    fn new_page(&mut self) -> &mut Vec<u8> {
        self.page.clear();
        &mut self.page
    }

    /// The page, compressed, and how many bytes it had.
    fn end_page(&mut self) -> Result<(Bytes, usize)> {
        self.compressed.clear();
        self.compressed.reserve(zstd::zstd_safe::compress_bound(self.page.len()));
        self.zstd.compress_to_buffer(&self.page, &mut self.compressed)?;
        Ok((Bytes::copy_from_slice(&self.compressed), self.page.len()))
    }
}

/// What a column chunk has beside its rows, and how it is cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyedChunkConfig {
    /// Rows of a page, where they take [`MIN_PAGE_BYTES`].
    pub(crate) page_rows: usize,
    /// Whether alike texts stand side by side in the dictionary; else the one that comes first stands first.
    pub(crate) is_grouped: bool,
    /// Whether the chunk and its pages tell their smallest and largest text.
    pub(crate) has_bounds: bool,
    /// The false positives of its bloom filter; none = it has no filter.
    pub(crate) bloom_filter: Option<f64>,
}

/// A page of fewer bytes is not worth its header: it takes more rows, up to [`MAX_PAGE_ROWS`].
const MIN_PAGE_BYTES: usize = 1024;
/// Rows of the longest page.
const MAX_PAGE_ROWS: usize = 20_000;
/// Texts are alike by their first bytes: of `userIdentity` these tell who it is.
const ALIKE_BYTES: usize = 56;

/// A column chunk under way: the keys of its rows, and which texts they are of.
pub(crate) struct KeyedChunk {
    descriptor: ColumnDescPtr,
    config: KeyedChunkConfig,
    texts: StringArray,
    rows: Vec<UInt32Array>,
    /// Whether each key occurs.
    occurs: Vec<bool>,
    /// The keys that occur, in the order of their coming.
    keys: Vec<u32>,
    dictionary_bytes: usize,
}

impl KeyedChunk {
    /// A chunk of some of `texts`.
    pub(crate) fn new(descriptor: ColumnDescPtr, texts: StringArray, config: KeyedChunkConfig) -> Self {
        let occurs = vec![false; texts.len()];
        Self { descriptor, config, texts, rows: Vec::new(), occurs, keys: Vec::new(), dictionary_bytes: 0 }
    }

    /// Whether its keys are keys of `texts`.
    pub(crate) fn has_texts(&self, texts: &StringArray) -> bool {
        is_same_dictionary(&self.texts, texts)
    }

    /// Appends a row per key.
    pub(crate) fn write(&mut self, keys: &UInt32Array) {
        match keys.null_count() {
            nulls if nulls == keys.len() => {}
            0 => keys.values().iter().for_each(|key| self.meet(*key)),
            _ => keys.iter().flatten().for_each(|key| self.meet(key)),
        }
        self.rows.push(keys.clone());
    }

    #[inline]
    fn meet(&mut self, key: u32) {
        let occurs = &mut self.occurs[key as usize];
        if !*occurs {
            *occurs = true;
            self.keys.push(key);
            self.dictionary_bytes += size_of::<u32>() + self.texts.value(key as usize).len();
        }
    }

    /// About how many bytes it will have.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.dictionary_bytes + self.rows.iter().map(UInt32Array::len).sum::<usize>()
    }

    /// How many bytes its dictionary has.
    pub(crate) fn dictionary_bytes(&self) -> usize {
        self.dictionary_bytes
    }

    /// Ends the chunk and appends it to its row group.
    pub(crate) fn append_to_row_group(
        mut self,
        row_group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        compressor: &mut PageCompressor,
    ) -> Result<()> {
        if self.config.is_grouped {
            self.group_keys();
        }
        let mut pages = KeyedPages::new(&self);
        let dictionary = pages.write_dictionary(&self, compressor)?;
        for rows in &self.rows {
            pages.write(rows, compressor)?;
        }
        pages.end_page(compressor)?;
        let bloom_filter = self.config.bloom_filter.map(|rate| self.bloom_filter(rate)).transpose()?;
        let (bytes, close) = pages.finish(&dictionary, bloom_filter)?;
        row_group.append_column(&Bytes::from(bytes), close)
    }

    /// Brings alike texts together, where the compressor finds them.
    fn group_keys(&mut self) {
        let beginning = |key: u32| {
            let mut bytes = [0; ALIKE_BYTES];
            let text = self.texts.value(key as usize).as_bytes();
            let length = text.len().min(ALIKE_BYTES);
            bytes[..length].copy_from_slice(&text[..length]);
            bytes
        };
        let mut keys: Vec<_> = self.keys.iter().map(|key| (beginning(*key), *key)).collect();
        keys.sort_unstable();
        self.keys = keys.into_iter().map(|(_, key)| key).collect();
    }

    /// A filter of all texts of the dictionary, as large as they need.
    fn bloom_filter(&self, false_positives: f64) -> Result<Sbbf> {
        let mut filter = Sbbf::new_with_ndv_fpp(self.keys.len() as u64, false_positives)?;
        self.keys.iter().for_each(|key| filter.insert(self.texts.value(*key as usize)));
        Ok(filter)
    }
}

/// The pages of a chunk under way.
struct KeyedPages {
    descriptor: ColumnDescPtr,
    config: KeyedChunkConfig,
    bounds: Option<KeyedBounds>,
    /// The place of each key's text in the dictionary.
    indices_of_keys: Vec<u32>,
    /// Bits of an index.
    width: u32,
    /// 1 for each row of the page with a text, else 0.
    levels: Vec<u32>,
    /// The index of each text of the page.
    indices: Vec<u32>,
    bytes: TrackedWrite<Vec<u8>>,
    specs: Vec<PageWriteSpec>,
    row_counts: Vec<usize>,
}

impl KeyedPages {
    fn new(chunk: &KeyedChunk) -> Self {
        let mut indices_of_keys = vec![0; chunk.texts.len()];
        (0..).zip(&chunk.keys).for_each(|(index, key)| indices_of_keys[*key as usize] = index);
        Self {
            descriptor: chunk.descriptor.clone(),
            config: chunk.config,
            bounds: chunk.config.has_bounds.then(|| KeyedBounds::new(chunk.texts.clone())),
            indices_of_keys,
            width: index_width(chunk.keys.len()),
            levels: Vec::new(),
            indices: Vec::new(),
            bytes: TrackedWrite::new(Vec::new()),
            specs: Vec::new(),
            row_counts: Vec::new(),
        }
    }

    fn write_dictionary(&mut self, chunk: &KeyedChunk, compressor: &mut PageCompressor) -> Result<PageWriteSpec> {
        let page = compressor.new_page();
        page.reserve(chunk.dictionary_bytes);
        for key in &chunk.keys {
            let text = chunk.texts.value(*key as usize);
            page.extend_from_slice(&u32::try_from(text.len())?.to_le_bytes());
            page.extend_from_slice(text.as_bytes());
        }
        let (buf, byte_count) = compressor.end_page()?;
        let page = Page::DictionaryPage {
            buf,
            num_values: u32::try_from(chunk.keys.len())?,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        write_page(&mut self.bytes, page, byte_count)
    }

    fn write(&mut self, rows: &UInt32Array, compressor: &mut PageCompressor) -> Result<()> {
        let mut start = 0;
        while start < rows.len() {
            // Pages may end where those of other columns do.
            let room = self.config.page_rows - self.levels.len() % self.config.page_rows;
            let count = room.min(rows.len() - start);
            self.push_rows(&rows.slice(start, count));
            start += count;
            if count == room && self.is_full() {
                self.end_page(compressor)?;
            }
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        let bytes = self.indices.len() * self.width as usize / 8;
        bytes >= MIN_PAGE_BYTES || self.levels.len() + self.config.page_rows > MAX_PAGE_ROWS
    }

    fn push_rows(&mut self, keys: &UInt32Array) {
        match keys.null_count() {
            nulls if nulls == keys.len() => self.levels.resize(self.levels.len() + nulls, 0),
            0 => {
                self.levels.resize(self.levels.len() + keys.len(), 1);
                keys.values().iter().for_each(|key| self.push_key(*key));
            }
            _ => keys.iter().for_each(|key| {
                self.levels.push(u32::from(key.is_some()));
                key.into_iter().for_each(|key| self.push_key(key));
            }),
        }
    }

    #[inline]
    fn push_key(&mut self, key: u32) {
        self.indices.push(self.indices_of_keys[key as usize]);
        if let Some(bounds) = &mut self.bounds {
            bounds.meet(key as usize);
        }
    }

    /// Ends the page under way, if there is one.
    fn end_page(&mut self, compressor: &mut PageCompressor) -> Result<()> {
        if self.levels.is_empty() {
            return Ok(());
        }
        let page = compressor.new_page();
        if self.descriptor.max_def_level() > 0 {
            push_levels(page, &self.levels);
        } else if self.levels.len() != self.indices.len() {
            return Err(ParquetError::General(format!("null in {}, which has none", self.descriptor.path())));
        }
        page.push(self.width.to_le_bytes()[0]);
        push_hybrid(page, &self.indices, self.width);
        let (buf, byte_count) = compressor.end_page()?;
        let page = Page::DataPage {
            buf,
            num_values: u32::try_from(self.levels.len())?,
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        self.specs.push(write_page(&mut self.bytes, page, byte_count)?);
        self.row_counts.push(self.levels.len());
        if let Some(bounds) = &mut self.bounds {
            bounds.end_page(self.levels.len() - self.indices.len())?;
        }
        self.levels.clear();
        self.indices.clear();
        Ok(())
    }

    /// The chunk's bytes, and what its row group must know of them.
    fn finish(self, dictionary: &PageWriteSpec, bloom_filter: Option<Sbbf>) -> Result<(Vec<u8>, ColumnCloseResult)> {
        let sum = |size: fn(&PageWriteSpec) -> usize| size(dictionary) + self.specs.iter().map(size).sum::<usize>();
        let row_count: usize = self.row_counts.iter().sum();
        let encoding_stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let page_count = i32::try_from(self.specs.len())?;
        let (statistics, column_index) = self.bounds.map(KeyedBounds::finish).transpose()?.unzip();
        let mut metadata = ColumnChunkMetaData::builder(self.descriptor)
            // A footer names the codec only: readers need no level.
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY])
            .set_page_encoding_stats(vec![
                encoding_stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                encoding_stats(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, page_count),
            ])
            .set_total_compressed_size(i64::try_from(sum(|spec| spec.compressed_size))?)
            .set_total_uncompressed_size(i64::try_from(sum(|spec| spec.uncompressed_size))?)
            .set_num_values(i64::try_from(row_count)?)
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(i64::try_from(dictionary.compressed_size)?);
        if let Some(statistics) = statistics {
            metadata = metadata.set_statistics(statistics);
        }
        let mut offset_index = OffsetIndexBuilder::new();
        for (spec, row_count) in self.specs.iter().zip(&self.row_counts) {
            offset_index.append_row_count(i64::try_from(*row_count)?);
            offset_index.append_offset_and_size(i64::try_from(spec.offset)?, i32::try_from(spec.compressed_size)?);
        }
        let close = ColumnCloseResult {
            bytes_written: sum(|spec| spec.compressed_size) as u64,
            rows_written: row_count as u64,
            metadata: metadata.build()?,
            bloom_filter,
            column_index,
            offset_index: Some(offset_index.build()),
        };
        Ok((self.bytes.into_inner()?, close))
    }
}

/// Bits of an index into so many texts. From six on it takes whole bytes, as far as they hold most indices: the compressor sees nothing
/// of numbers that begin within a byte, and some texts are much more frequent than others.
fn index_width(text_count: usize) -> u32 {
    let width = usize::BITS - text_count.saturating_sub(1).leading_zeros();
    if (6..=16).contains(&width) { width.next_multiple_of(8) } else { width }
}

/// The keys and the texts of a column that comes as a dictionary; nulls are among the keys only.
pub(crate) fn keyed_texts(column: &ArrayRef) -> Option<(&UInt32Array, &StringArray)> {
    let dictionary = column.as_dictionary_opt::<UInt32Type>()?;
    let texts = dictionary.values().as_string_opt::<i32>().filter(|texts| texts.null_count() == 0)?;
    Some((dictionary.keys(), texts))
}

/// Whether these are the same texts in the same memory.
pub(crate) fn is_same_dictionary(texts: &StringArray, others: &StringArray) -> bool {
    std::ptr::eq(texts.value_data(), others.value_data()) && std::ptr::eq(&**texts.offsets(), &**others.offsets())
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

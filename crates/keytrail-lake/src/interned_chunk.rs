//! A column chunk of texts that come written out: they get keys as they come, and are written by those.
//!
//! A compaction reads its rows written out; so its files are as small as those of a conversion, whose rows come with keys.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{StringArray, UInt32Array};
use parquet::errors::Result;
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::ColumnDescPtr;

use crate::keyed_chunk::{KeyedChunk, KeyedChunkConfig, PageCompressor};

/// A column chunk under way: its texts, each once, and their keys by row.
pub(crate) struct InternedChunk {
    descriptor: ColumnDescPtr,
    config: KeyedChunkConfig,
    /// The texts by their keys.
    texts: Vec<Arc<str>>,
    keys: HashMap<Arc<str>, u32>,
    /// The key of the text that came last: in sorted rows the next one is mostly the same.
    last: u32,
    rows: Vec<UInt32Array>,
    row_count: usize,
    dictionary_bytes: usize,
}

impl InternedChunk {
    /// A chunk without rows.
    pub(crate) fn new(descriptor: ColumnDescPtr, config: KeyedChunkConfig) -> Self {
        Self {
            descriptor,
            config,
            texts: Vec::new(),
            keys: HashMap::new(),
            last: 0,
            rows: Vec::new(),
            row_count: 0,
            dictionary_bytes: 0,
        }
    }

    /// Appends a row per text.
    pub(crate) fn write(&mut self, texts: &StringArray) {
        let keys: UInt32Array = texts.iter().map(|text| text.map(|text| self.key_of(text))).collect();
        self.row_count += keys.len();
        self.rows.push(keys);
    }

    fn key_of(&mut self, text: &str) -> u32 {
        if self.texts.get(self.last as usize).is_none_or(|last| **last != *text) {
            self.last = match self.keys.get(text) {
                Some(key) => *key,
                None => self.add(text),
            };
        }
        self.last
    }

    fn add(&mut self, text: &str) -> u32 {
        let key = u32::try_from(self.texts.len()).expect("a row group has fewer rows");
        let text: Arc<str> = text.into();
        self.dictionary_bytes += size_of::<u32>() + text.len();
        self.texts.push(Arc::clone(&text));
        self.keys.insert(text, key);
        key
    }

    /// About how many bytes it will have.
    pub(crate) fn estimated_bytes(&self) -> usize {
        self.dictionary_bytes + self.row_count
    }

    /// How many bytes its dictionary has.
    pub(crate) fn dictionary_bytes(&self) -> usize {
        self.dictionary_bytes
    }

    /// Ends the chunk and appends it to its row group.
    pub(crate) fn append_to_row_group(
        self,
        row_group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        compressor: &mut PageCompressor,
    ) -> Result<()> {
        let texts = StringArray::from_iter_values(&self.texts);
        let mut chunk = KeyedChunk::new(self.descriptor, texts, self.config);
        self.rows.iter().for_each(|keys| chunk.write(keys));
        chunk.append_to_row_group(row_group, compressor)
    }
}

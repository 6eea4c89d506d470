//! Smallest and largest text of a column chunk and of its pages, and their nulls: as parquet's own writer tells them.
//!
//! It looks at each text of a page once, not at each row. It writes nothing: see [`crate::keyed_chunk`].

use arrow_array::{Array, StringArray};
use parquet::basic::{BoundaryOrder, Type};
use parquet::data_type::ByteArray;
use parquet::errors::Result;
use parquet::file::metadata::ColumnIndexBuilder;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};

use crate::text_bounds::{lower_bound, upper_bound};
use crate::writer::STATISTICS_BYTES;

/// Collects the bounds of a chunk's pages.
pub(crate) struct KeyedBounds {
    texts: StringArray,
    /// The page that each key was met in last; pages count from 1.
    met_in: Vec<u32>,
    page: u32,
    of_page: Option<KeyRange>,
    of_chunk: Option<KeyRange>,
    /// The bounds of the last page that has any.
    previous: Option<KeyRange>,
    is_ascending: bool,
    is_descending: bool,
    null_count: usize,
    index: ColumnIndexBuilder,
}

/// The keys of the smallest and the largest text.
#[derive(Debug, Clone, Copy)]
struct KeyRange {
    min: usize,
    max: usize,
}

impl KeyedBounds {
    pub(crate) fn new(texts: StringArray) -> Self {
        Self {
            met_in: vec![0; texts.len()],
            texts,
            page: 1,
            of_page: None,
            of_chunk: None,
            previous: None,
            is_ascending: true,
            is_descending: true,
            null_count: 0,
            index: ColumnIndexBuilder::new(Type::BYTE_ARRAY),
        }
    }

    /// A row of the page has the text of this key.
    #[inline]
    pub(crate) fn meet(&mut self, key: usize) {
        if self.met_in[key] != self.page {
            self.met_in[key] = self.page;
            self.of_page = Some(self.joined(self.of_page, KeyRange { min: key, max: key }));
        }
    }

    /// The page ends, with so many nulls.
    pub(crate) fn end_page(&mut self, null_count: usize) -> Result<()> {
        self.page += 1;
        self.null_count += null_count;
        let nulls = i64::try_from(null_count)?;
        let Some(range) = self.of_page.take() else {
            self.index.append(true, Vec::new(), Vec::new(), nulls);
            return Ok(());
        };
        if let Some(previous) = self.previous.replace(range) {
            let order = |of: fn(&KeyRange) -> usize| self.text(of(&previous)).cmp(self.text(of(&range)));
            let (min, max) = (order(|range| range.min), order(|range| range.max));
            self.is_ascending &= min.is_le() && max.is_le();
            self.is_descending &= min.is_ge() && max.is_ge();
        }
        let (min, max) = (lower(self.text(range.min)).into(), upper(self.text(range.max)).into());
        self.index.append(false, min, max, nulls);
        self.of_chunk = Some(self.joined(self.of_chunk, range));
        Ok(())
    }

    /// What the chunk's metadata tell, and its pages' index.
    pub(crate) fn finish(mut self) -> Result<(Statistics, ColumnIndexMetaData)> {
        self.index.set_boundary_order(match (self.is_ascending, self.is_descending) {
            (true, _) => BoundaryOrder::ASCENDING,
            (false, true) => BoundaryOrder::DESCENDING,
            (false, false) => BoundaryOrder::UNORDERED,
        });
        let bounds = self.of_chunk.map(|range| (self.text(range.min), self.text(range.max)));
        let (min, max) = bounds.unzip();
        let is_whole = |text: Option<&str>| text.is_some_and(|text| text.len() <= STATISTICS_BYTES);
        let statistics = ValueStatistics::new(
            min.map(|text| ByteArray::from(lower(text))),
            max.map(|text| ByteArray::from(upper(text).into_bytes())),
            None,
            Some(self.null_count as u64),
            false,
        )
        .with_min_is_exact(is_whole(min))
        .with_max_is_exact(is_whole(max));
        Ok((Statistics::ByteArray(statistics), self.index.build()?))
    }

    fn joined(&self, range: Option<KeyRange>, other: KeyRange) -> KeyRange {
        let Some(range) = range else { return other };
        KeyRange {
            min: if self.text(other.min) < self.text(range.min) { other.min } else { range.min },
            max: if self.text(other.max) > self.text(range.max) { other.max } else { range.max },
        }
    }

    fn text(&self, key: usize) -> &str {
        self.texts.value(key)
    }
}

fn lower(text: &str) -> &str {
    lower_bound(text, STATISTICS_BYTES)
}

/// The whole text where no shorter one is above it.
fn upper(text: &str) -> String {
    upper_bound(text, STATISTICS_BYTES).unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(pages: &[&[&str]]) -> (Statistics, ColumnIndexMetaData) {
        let texts: Vec<&str> = pages.concat();
        let mut bounds = KeyedBounds::new(StringArray::from(texts.clone()));
        for page in pages {
            page.iter().for_each(|text| bounds.meet(texts.iter().position(|other| other == text).expect("a text")));
            bounds.end_page(1).expect("few nulls");
        }
        bounds.finish().expect("an index")
    }

    fn order(pages: &[&[&str]]) -> BoundaryOrder {
        bounds(pages).1.get_boundary_order().expect("an index with an order")
    }

    #[test]
    fn pages_are_in_order_where_both_bounds_are() {
        for (pages, expected) in [
            (&[&["b", "a", "a"][..], &[], &["b", "c"]][..], BoundaryOrder::ASCENDING),
            (&[&["c"], &["b", "c"], &["a"]], BoundaryOrder::DESCENDING),
            (&[&["b"], &["a", "c"]], BoundaryOrder::UNORDERED),
            (&[&[], &[]], BoundaryOrder::ASCENDING),
        ] {
            assert_eq!(order(pages), expected, "{pages:?}");
        }
    }

    #[test]
    fn long_bounds_are_cut_outwards() {
        let long = "é".repeat(100);
        let (statistics, index) = bounds(&[&["a", "b"], &[&long]]);
        let (min, max) = (statistics.min_bytes_opt().expect("a text"), statistics.max_bytes_opt().expect("a text"));
        assert_eq!((min, statistics.null_count_opt()), (&b"a"[..], Some(2)));
        assert!(max > long.as_bytes() && max.len() <= STATISTICS_BYTES, "{max:?}");
        assert!(statistics.min_is_exact() && !statistics.max_is_exact());
        assert!(!index.is_null_page(0) && index.null_count(0) == Some(1));
        let highest = "\u{10ffff}".repeat(40);
        let (statistics, _) = bounds(&[&[&highest]]);
        assert_eq!(statistics.max_bytes_opt(), Some(highest.as_bytes()));
    }
}

//! Text that is rendered before it is shown, so that it can be measured: small in memory, large in a nameless file.
//!
//! It does not show anything: see [`crate::pager`].

use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use tempfile::SpooledTempFile;

use crate::lock::lock;
use crate::output::{DataWriter, Destination};

/// Text up to this size stays in memory.
const IN_MEMORY_BYTES: usize = 8 * 1024 * 1024;

/// Copies of a spool write to, and read from, the same text.
#[derive(Clone)]
pub(crate) struct Spool(Arc<Mutex<SpooledTempFile>>);

impl Spool {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(SpooledTempFile::new(IN_MEMORY_BYTES))))
    }

    /// Writes to its end, as if it were `destination`.
    pub(crate) fn writer(&self, destination: Destination) -> DataWriter {
        DataWriter::stream(Box::new(self.clone()), destination)
    }

    /// Writes all of it to `sink`.
    pub(crate) fn copy_to(&self, sink: &mut impl Write) -> io::Result<()> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut *file, sink)?;
        sink.flush()
    }

    /// Where its lines begin, up to the first `limit` of them.
    pub(crate) fn line_starts(&self, limit: usize) -> io::Result<Vec<u64>> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&mut *file);
        let (mut starts, mut at, mut line) = (Vec::new(), 0_u64, Vec::new());
        while starts.len() < limit {
            line.clear();
            let length = reader.read_until(b'\n', &mut line)?;
            if length == 0 {
                break;
            }
            starts.push(at);
            at += length as u64;
        }
        Ok(starts)
    }

    /// The line that begins at `start`, without its end.
    pub(crate) fn line(&self, start: u64) -> io::Result<String> {
        let mut file = self.file();
        file.seek(SeekFrom::Start(start))?;
        let mut line = Vec::new();
        BufReader::new(&mut *file).read_until(b'\n', &mut line)?;
        Ok(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned())
    }

    /// All of it.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        let mut bytes = Vec::new();
        self.copy_to(&mut bytes).expect("memory does not fail");
        String::from_utf8(bytes).expect("UTF-8")
    }

    fn file(&self) -> MutexGuard<'_, SpooledTempFile> {
        lock(&self.0)
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_where_they_begin() {
        let spool = Spool::new();
        let mut out = spool.writer(Destination::Exact);
        out.write_all("one\n\nthrée\nlast".as_bytes()).expect("memory");
        out.finish().expect("memory");
        let starts = spool.line_starts(10).expect("memory");
        let lines: Vec<_> = starts.iter().map(|start| spool.line(*start).expect("a line")).collect();
        assert_eq!(lines, ["one", "", "thrée", "last"]);
        assert_eq!(spool.line_starts(2).expect("memory").len(), 2);
        assert_eq!(spool.text(), "one\n\nthrée\nlast");
    }
}

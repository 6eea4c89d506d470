//! Conversion against its limit, in one run: inflate only, + parse, + build, + write (sort, encode, compress), and the whole of `convert`.
//!
//! Each stage does all of the stages before it, on one thread, with the log files' bytes in memory. What the whole conversion reaches is
//! the CPU time of the last stage against its own: the rest goes to reading, deduplication, accounts and commits.
//!
//! `cargo bench --workspace --bench convert -- [EVENTS] [FOLDER]` makes a trail of EVENTS (default 200,000) in FOLDER (default: a
//! temporary one; a folder that exists is used as it is). Ratios within one run mean something on any machine, the absolute numbers do not.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keytrail_convert::source::{DeliveryRange, list};
use keytrail_convert::{
    ConvertOptions, ConvertSummary, EVENTS, LogFile, NoProgress, Source, StopSignal, convert, encode_rows, lake_spec,
};
use keytrail_events::compression::Inflater;
use keytrail_events::{
    EventBatchBuilder, EventPartition, EventRecord, EventRows, FileDecoder, Lineage, RecordSink, Reject,
};
use keytrail_lake::{Lake, Location, StorageOptions, Table};
use keytrail_testkit::trail::{TrailConfig, generate};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let event_count = arguments.first().map_or(Ok(200_000), |text| text.parse())?;
    let scratch = tempfile::tempdir()?;
    let trail = arguments.get(1).map_or_else(|| scratch.path().join("trail"), PathBuf::from);
    if !trail.exists() {
        generate(&TrailConfig { event_count, ..TrailConfig::default() }, &trail)?;
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let source = Source::Place(Location::local(&trail)?);
    let files =
        runtime.block_on(list(std::slice::from_ref(&source), &DeliveryRange::default(), &StorageOptions::default()))?;
    let bytes: Vec<_> = files.iter().map(|file| runtime.block_on(file.fetch())).collect::<Result<_, _>>()?;

    let inflate = Stage::measure("inflate", || inflate_all(&bytes));
    let parse = Stage::measure("+ parse", || decode_all(&bytes, &mut Counting::default()));
    let build = Stage::measure("+ build", || decode_all(&bytes, &mut Building::default()));
    let place = Location::local(&scratch.path().join("lake"))?;
    let lake = runtime.block_on(Lake::create_or_open(&place, &StorageOptions::default(), lake_spec()))?;
    let mut writing = Writing::new(lake.table(EVENTS).clone());
    let write = Stage::measure("+ write", || {
        let bytes = decode_all(&bytes, &mut writing);
        writing.write_all();
        bytes
    });
    println!("+ write gives {} files, {:.1} MB", writing.files, megabytes(writing.bytes));
    println!(
        "{} log files, {:.1} MB gzip, {:.1} MB JSON",
        files.len(),
        megabytes(total(&files)),
        megabytes(inflate.bytes)
    );
    for stage in [&inflate, &parse, &build, &write] {
        stage.report(&inflate);
    }
    let convert = |workers: usize| -> Result<Usage, Failure> {
        let lake = scratch.path().join(format!("lake-{workers}"));
        let began = Usage::now();
        let summary = runtime.block_on(convert_into(&lake, &source, workers))?;
        let usage = Usage::now().since(&began);
        report_convert(&summary, &usage, workers, &write);
        Ok(usage)
    };
    let (one, two) = (convert(1)?, convert(2)?);
    println!(
        "two workers are {:.2} times as fast as one (wanted: {WANTED_SPEED_UP})",
        one.wall.as_secs_f64() / two.wall.as_secs_f64()
    );
    println!("peak memory of the process {} MiB (all stages; the files' bytes are held throughout)", peak_mebibytes());
    Ok(())
}

/// What the whole conversion should reach of its stages, in percent.
const WANTED_SHARE: f64 = 85.0;
/// How many times faster two workers should be than one.
const WANTED_SPEED_UP: f64 = 1.8;

fn total(files: &[LogFile]) -> u64 {
    files.iter().map(|file| file.size_bytes).sum()
}

async fn convert_into(lake: &Path, source: &Source, workers: usize) -> Result<ConvertSummary, Failure> {
    let options = StorageOptions::default();
    let lake = Lake::create_or_open(&Location::local(lake)?, &options, lake_spec()).await?;
    let run = format!("bench-{workers}");
    let options =
        ConvertOptions { workers, ..ConvertOptions::new(vec![source.clone()], run, chrono::DateTime::UNIX_EPOCH) };
    Ok(convert(&lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await?)
}

fn report_convert(summary: &ConvertSummary, usage: &Usage, workers: usize, limit: &Stage) {
    let wall = usage.wall.as_secs_f64();
    println!(
        "convert, {workers} workers: {:.2} s wall, {:.2} CPU-s, {:.0} records/s, {:.1} MB/s of JSON, lake {:.3} bytes per byte of gzip, {} files",
        wall,
        usage.cpu,
        summary.records as f64 / wall,
        megabytes(summary.uncompressed_bytes) / wall,
        summary.data_file_bytes as f64 / summary.bytes as f64,
        summary.data_files,
    );
    println!("    {:.1} % of the limit (wanted: {WANTED_SHARE})", 100.0 * limit.seconds / usage.cpu);
}

/// A stage of the conversion with those before it, on one thread.
struct Stage {
    name: &'static str,
    /// CPU time.
    seconds: f64,
    bytes: u64,
}

impl Stage {
    fn measure(name: &'static str, work: impl FnOnce() -> u64) -> Self {
        let began = cpu_seconds();
        let bytes = work();
        Self { name, seconds: cpu_seconds() - began, bytes }
    }

    fn report(&self, first: &Stage) {
        let rate = megabytes(self.bytes) / self.seconds;
        println!(
            "{:<10} {:>7.2} CPU-s {:>7.0} MB/s of JSON, {:.2} times the inflating",
            self.name,
            self.seconds,
            rate,
            self.seconds / first.seconds
        );
    }
}

fn inflate_all(files: &[bytes::Bytes]) -> u64 {
    let mut inflater = Inflater::new(1 << 30);
    let mut out = Vec::new();
    let sizes = files.iter().map(|file| {
        inflater.inflate(file, &mut out);
        out.len() as u64
    });
    sizes.sum()
}

fn decode_all(files: &[bytes::Bytes], sink: &mut dyn RecordSink) -> u64 {
    let mut decoder = FileDecoder::new();
    files.iter().map(|file| decoder.decode(file, sink).uncompressed_bytes).sum()
}

/// Looks at each record, so that nothing can be optimised away.
#[derive(Default)]
struct Counting {
    bytes: usize,
}

impl RecordSink for Counting {
    fn record(&mut self, _index: u64, record: &EventRecord<'_>) {
        self.bytes += record.text().len() + record.layout().len();
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// About as many as a worker hands over at once.
const BATCH_ROWS: usize = 8192;

/// Builds rows and drops them.
#[derive(Default)]
struct Building {
    builder: EventBatchBuilder,
    rows: usize,
}

impl RecordSink for Building {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        self.builder.append(record, &Lineage { log_file_path: "bench", record_index: index, ..Lineage::default() });
        if self.builder.row_count() == BATCH_ROWS {
            self.rows += self.builder.finish_rows().row_count();
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Builds rows and encodes them, the largest partition whenever as much waits as in a conversion.
struct Writing {
    table: Table,
    builders: BTreeMap<EventPartition, EventBatchBuilder>,
    waiting: BTreeMap<EventPartition, Vec<EventRows>>,
    files: usize,
    bytes: u64,
}

impl Writing {
    fn new(table: Table) -> Self {
        Self { table, builders: BTreeMap::new(), waiting: BTreeMap::new(), files: 0, bytes: 0 }
    }

    fn write(&mut self, partition: &EventPartition) {
        let rows = self.waiting.remove(partition).unwrap_or_default();
        let file = encode_rows(&self.table, partition, &rows).expect("rows of the builders can be written");
        self.files += 1;
        self.bytes += file.size_bytes();
    }

    fn write_all(&mut self) {
        for (partition, mut builder) in std::mem::take(&mut self.builders) {
            self.waiting.entry(partition).or_default().push(builder.finish_rows());
        }
        for partition in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.write(&partition);
        }
    }
}

impl RecordSink for Writing {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        let partition = EventPartition::of(record);
        let builder = self.builders.entry(partition.clone()).or_default();
        builder.append(record, &Lineage { log_file_path: "bench", record_index: index, ..Lineage::default() });
        if builder.row_count() < BATCH_ROWS {
            return;
        }
        self.waiting.entry(partition).or_default().push(builder.finish_rows());
        let size = |parts: &Vec<EventRows>| parts.iter().map(EventRows::size_bytes).sum::<usize>();
        if self.waiting.values().map(size).sum::<usize>() > ConvertOptions::DEFAULT_BUFFER_BYTES {
            let largest =
                self.waiting.iter().max_by_key(|(_, parts)| size(parts)).map(|(partition, _)| partition.clone());
            largest.iter().for_each(|partition| self.write(partition));
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Wall time and the process's CPU time.
struct Usage {
    at: Instant,
    wall: Duration,
    cpu: f64,
}

impl Usage {
    fn now() -> Self {
        Self { at: Instant::now(), wall: Duration::ZERO, cpu: cpu_seconds() }
    }

    fn since(&self, began: &Self) -> Self {
        Self { at: self.at, wall: self.at - began.at, cpu: self.cpu - began.cpu }
    }
}

/// User and system time of this process by `/proc/self/stat`, in seconds; 100 ticks a second on every Linux.
fn cpu_seconds() -> f64 {
    let stat = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn peak_mebibytes() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

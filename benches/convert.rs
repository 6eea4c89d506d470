//! Conversion against its limit, in one run: inflate only, inflate + parse, inflate + parse + build, and the whole of `convert`.
//!
//! `cargo bench -p keytrail-convert --bench convert -- [EVENTS] [FOLDER]` makes a trail of EVENTS (default 200,000) in FOLDER (default: a
//! temporary one; a folder that exists is used as it is). Ratios within one run mean something on any machine, the absolute numbers do not.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keytrail_convert::source::{DeliveryRange, list};
use keytrail_convert::{ConvertOptions, ConvertSummary, LogFile, NoProgress, Source, StopSignal, convert, lake_spec};
use keytrail_events::compression::Inflater;
use keytrail_events::{EventBatchBuilder, EventRecord, FileDecoder, Lineage, RecordSink, Reject};
use keytrail_lake::{Lake, Location, StorageOptions};
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
    let parse = Stage::measure("inflate + parse", || decode_all(&bytes, &mut Counting::default()));
    let build = Stage::measure("inflate + parse + build", || decode_all(&bytes, &mut Building::default()));
    println!(
        "{} log files, {:.1} MB gzip, {:.1} MB JSON",
        files.len(),
        megabytes(total(&files)),
        megabytes(inflate.bytes)
    );
    for stage in [&inflate, &parse, &build] {
        stage.report(&inflate);
    }
    for workers in [1, std::thread::available_parallelism()?.get()] {
        let lake = scratch.path().join(format!("lake-{workers}"));
        let began = Usage::now();
        let summary = runtime.block_on(convert_into(&lake, &source, workers))?;
        report_convert(&summary, &Usage::now().since(&began), workers, [&inflate, &parse, &build]);
    }
    println!("peak memory of the process {} MiB (all stages; the files' bytes are held throughout)", peak_mebibytes());
    Ok(())
}

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

fn report_convert(summary: &ConvertSummary, usage: &Usage, workers: usize, limits: [&Stage; 3]) {
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
    for limit in limits {
        println!("    {:>5.1} % of the CPU time is {}", 100.0 * limit.seconds / usage.cpu, limit.name);
    }
}

/// A stage of the conversion on its own, on one thread.
struct Stage {
    name: &'static str,
    seconds: f64,
    bytes: u64,
}

impl Stage {
    fn measure(name: &'static str, work: impl FnOnce() -> u64) -> Self {
        let began = Instant::now();
        let bytes = work();
        Self { name, seconds: began.elapsed().as_secs_f64(), bytes }
    }

    fn report(&self, first: &Stage) {
        let rate = megabytes(self.bytes) / self.seconds;
        println!(
            "{:<24} {:>7.2} s {:>7.0} MB/s of JSON, {:.2} times the inflating",
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

/// Builds batches and drops them.
#[derive(Default)]
struct Building {
    builder: EventBatchBuilder,
    rows: usize,
}

impl RecordSink for Building {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        self.builder.append(record, &Lineage { log_file_path: "bench", record_index: index, ..Lineage::default() });
        if self.builder.row_count() == 4096 {
            self.rows += self.builder.finish().num_rows();
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

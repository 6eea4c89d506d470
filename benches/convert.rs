//! Conversion against its limit, in one run: inflate only, + parse, + build, + write (sort, encode, compress), and the whole of `convert`.
//!
//! Each stage does all of the stages before it, on one thread, with the log files' bytes in memory. The last one makes the very data files
//! that a conversion makes: of the same rows, with the same lineage, handed over and written at the same sizes. What the conversion
//! reaches is the CPU time of that stage against its own: the rest goes to reading, deduplication, accounts and commits. Stages and
//! conversions take turns; medians are printed, and the share of each turn, since a busy machine makes a turn as slow as it likes.
//!
//! `cargo bench --workspace --bench convert -- [EVENTS] [FOLDER] [TURNS]` makes a trail of EVENTS (default 200,000) in FOLDER (default: a
//! temporary one; a folder that exists is used as it is). Ratios within one run mean something on any machine, the absolute numbers do not.

#![expect(clippy::print_stdout, reason = "a benchmark reports on stdout")]

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use keytrail_convert::source::{DeliveryRange, list};
use keytrail_convert::{
    ConvertOptions, ConvertSummary, Deduplicator, EVENTS, Hour, HourSlot, LogFile, NoProgress, Place, RecordIdentity,
    Seen, Source, StopSignal, convert, encode_rows, lake_spec,
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
    let turn_count = arguments.get(2).map_or(Ok(3), |text| text.parse())?;
    if !trail.exists() {
        generate(&TrailConfig { event_count, ..TrailConfig::default() }, &trail)?;
    }
    let bench = Bench::new(&trail, scratch.path())?;
    let turns = (0..turn_count).map(|_| bench.turn()).collect::<Result<Vec<_>, _>>()?;
    bench.report(&turns);
    Ok(())
}

/// What the whole conversion should reach of its stages, in percent.
const WANTED_SHARE: f64 = 85.0;
/// How many times faster two workers should be than one.
const WANTED_SPEED_UP: f64 = 1.8;
/// The stages, each with all before it.
const STAGES: [&str; 4] = ["inflate", "+ parse", "+ build", "+ write"];

/// A trail in memory, and where its lakes go.
struct Bench {
    runtime: tokio::runtime::Runtime,
    source: Source,
    files: Vec<(LogFile, Bytes)>,
    duplicates: HashSet<Place>,
    table: Table,
    scratch: PathBuf,
}

/// What each stage and each conversion took.
struct Turn {
    stages: [Usage; STAGES.len()],
    written: (usize, u64),
    json_bytes: u64,
    one: (ConvertSummary, Usage),
    two: (ConvertSummary, Usage),
}

impl Bench {
    fn new(trail: &Path, scratch: &Path) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let source = Source::Place(Location::local(trail)?);
        let options = StorageOptions::default();
        let listed = runtime.block_on(list(std::slice::from_ref(&source), &DeliveryRange::default(), &options))?;
        let read = listed.log_files.into_iter().map(|file| {
            let bytes = runtime.block_on(file.fetch())?;
            Ok::<_, String>((file, bytes))
        });
        let files = read.collect::<Result<Vec<_>, _>>()?;
        let mut repeated = Repeated::default();
        decode_all(&files, &mut repeated);
        let place = Location::local(&scratch.join("lake"))?;
        let lake = runtime.block_on(Lake::create_or_open(&place, &options, lake_spec()))?;
        let (table, duplicates) = (lake.table(EVENTS).clone(), repeated.duplicates);
        Ok(Self { runtime, source, files, duplicates, table, scratch: scratch.to_owned() })
    }

    fn turn(&self) -> Result<Turn, Failure> {
        let (json_bytes, inflate) = measured(|| inflate_all(&self.files));
        let (_, parse) = measured(|| decode_all(&self.files, &mut Counting::default()));
        let (_, build) = measured(|| decode_all(&self.files, &mut Building::new(&self.duplicates, None)));
        let (written, write) = measured(|| {
            let mut building = Building::new(&self.duplicates, Some(&self.table));
            decode_all(&self.files, &mut building);
            building.write_all()
        });
        let (one, two) = (self.converted(1)?, self.converted(2)?);
        Ok(Turn { stages: [inflate, parse, build, write], written, json_bytes, one, two })
    }

    fn converted(&self, workers: usize) -> Result<(ConvertSummary, Usage), Failure> {
        let lake = tempfile::tempdir_in(&self.scratch)?;
        let (summary, usage) = measured(|| self.runtime.block_on(convert_into(lake.path(), &self.source, workers)));
        Ok((summary?, usage))
    }

    fn report(&self, turns: &[Turn]) {
        let Some(first) = turns.first() else { return };
        let gzip_bytes: u64 = self.files.iter().map(|(file, _)| file.size_bytes).sum();
        println!(
            "{} log files, {:.1} MB gzip, {:.1} MB JSON; medians of {} turns",
            self.files.len(),
            megabytes(gzip_bytes),
            megabytes(first.json_bytes),
            turns.len()
        );
        let inflate = median(turns.iter().map(|turn| turn.stages[0].cpu));
        for (number, name) in STAGES.iter().enumerate() {
            let cpu = median(turns.iter().map(|turn| turn.stages[number].cpu));
            let rate = megabytes(first.json_bytes) / cpu;
            println!("{name:<10} {cpu:>7.2} CPU-s {rate:>7.0} MB/s of JSON, {:.2} times the inflating", cpu / inflate);
        }
        let (files, bytes) = first.written;
        println!("+ write gives {files} files, {:.1} MB", megabytes(bytes));
        report_convert(turns, 1, |turn| &turn.one);
        report_convert(turns, 2, |turn| &turn.two);
        println!(
            "two workers are {:.2} times as fast as one (wanted: {WANTED_SPEED_UP})",
            median(turns.iter().map(|turn| turn.one.1.wall / turn.two.1.wall))
        );
    }
}

async fn convert_into(lake: &Path, source: &Source, workers: usize) -> Result<ConvertSummary, Failure> {
    let options = StorageOptions::default();
    let lake = Lake::create_or_open(&Location::local(lake)?, &options, lake_spec()).await?;
    let run = format!("bench-{workers}");
    let options =
        ConvertOptions { workers, ..ConvertOptions::new(vec![source.clone()], run, chrono::DateTime::UNIX_EPOCH) };
    Ok(convert(&lake, &options, Arc::new(NoProgress), Arc::new(StopSignal::default())).await?)
}

fn report_convert(turns: &[Turn], workers: usize, of: impl Fn(&Turn) -> &(ConvertSummary, Usage)) {
    let Some((summary, _)) = turns.first().map(&of) else { return };
    let wall = median(turns.iter().map(|turn| of(turn).1.wall));
    println!(
        "convert, {workers} workers: {:.2} s wall, {:.2} CPU-s, {:.0} records/s, {:.1} MB/s of JSON, lake {:.3} bytes per byte of gzip, {} files",
        wall,
        median(turns.iter().map(|turn| of(turn).1.cpu)),
        summary.records as f64 / wall,
        megabytes(summary.uncompressed_bytes) / wall,
        summary.data_file_bytes as f64 / summary.bytes as f64,
        summary.data_files,
    );
    let shares: Vec<f64> =
        turns.iter().map(|turn| 100.0 * turn.stages[STAGES.len() - 1].cpu / of(turn).1.cpu).collect();
    let each: Vec<String> = shares.iter().map(|share| format!("{share:.1}")).collect();
    println!(
        "    {:.1} % of the limit (wanted: {WANTED_SHARE}); by turn: {}",
        median(shares.into_iter()),
        each.join(" ")
    );
}

fn inflate_all(files: &[(LogFile, Bytes)]) -> u64 {
    let mut inflater = Inflater::new(1 << 30);
    let mut out = Vec::new();
    let sizes = files.iter().map(|(_, bytes)| {
        inflater.inflate(bytes, &mut out);
        out.len() as u64
    });
    sizes.sum()
}

/// Takes the records of one file after the other.
trait Stage: RecordSink {
    fn begin(&mut self, _file: &LogFile) {}
    fn end(&mut self) {}
}

fn decode_all(files: &[(LogFile, Bytes)], stage: &mut dyn Stage) {
    let mut decoder = FileDecoder::new();
    for (file, bytes) in files {
        stage.begin(file);
        decoder.decode(bytes, stage);
        stage.end();
    }
}

/// Finds the records that become no rows.
#[derive(Default)]
struct Repeated {
    seen: Deduplicator,
    slot: Option<HourSlot>,
    path: String,
    duplicates: HashSet<Place>,
}

impl Stage for Repeated {
    fn begin(&mut self, file: &LogFile) {
        self.path.clone_from(&file.path);
    }
}

impl RecordSink for Repeated {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        let place = Place::new(&self.path, index);
        let hour = Hour::of(record.event_time());
        if self.seen.note(&mut self.slot, hour, &RecordIdentity::of(record), place) == Seen::Duplicate {
            self.duplicates.insert(place);
        }
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Looks at each record, so that nothing can be optimised away.
#[derive(Default)]
struct Counting {
    bytes: usize,
}

impl Stage for Counting {}

impl RecordSink for Counting {
    fn record(&mut self, _index: u64, record: &EventRecord<'_>) {
        self.bytes += record.text().len() + record.layout().len();
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Builds rows as a worker does; they are dropped, or encoded, the largest partition whenever as much waits as in a conversion.
struct Building<'b> {
    duplicates: &'b HashSet<Place>,
    table: Option<&'b Table>,
    path: String,
    delivery_time: Option<i64>,
    builders: BTreeMap<EventPartition, EventBatchBuilder>,
    waiting: BTreeMap<EventPartition, Vec<EventRows>>,
    files: usize,
    bytes: u64,
}

impl<'b> Building<'b> {
    fn new(duplicates: &'b HashSet<Place>, table: Option<&'b Table>) -> Self {
        Self {
            duplicates,
            table,
            path: String::new(),
            delivery_time: None,
            builders: BTreeMap::new(),
            waiting: BTreeMap::new(),
            files: 0,
            bytes: 0,
        }
    }

    fn hand_over(&mut self, min_bytes: usize) {
        let mut builders = std::mem::take(&mut self.builders);
        for (partition, builder) in builders.iter_mut().filter(|(_, builder)| builder.size_bytes() >= min_bytes) {
            let rows = builder.finish_rows();
            if self.table.is_some() && rows.row_count() > 0 {
                self.waiting.entry(partition.clone()).or_default().push(rows);
                self.write_largest_of_many();
            }
        }
        self.builders = builders;
    }

    fn write_largest_of_many(&mut self) {
        let size = |parts: &Vec<EventRows>| parts.iter().map(EventRows::size_bytes).sum::<usize>();
        if self.waiting.values().map(size).sum::<usize>() > ConvertOptions::DEFAULT_BUFFER_BYTES {
            let largest = self.waiting.iter().max_by_key(|(_, parts)| size(parts));
            let largest = largest.map(|(partition, _)| partition.clone());
            largest.into_iter().for_each(|partition| self.write(&partition));
        }
    }

    fn write(&mut self, partition: &EventPartition) {
        let (Some(table), Some(rows)) = (self.table, self.waiting.remove(partition)) else { return };
        let file = encode_rows(table, partition, rows).expect("rows of the builders can be written");
        self.files += 1;
        self.bytes += file.size_bytes();
    }

    /// Writes what waits; tells how many files there are, and their bytes.
    fn write_all(mut self) -> (usize, u64) {
        self.hand_over(0);
        for partition in self.waiting.keys().cloned().collect::<Vec<_>>() {
            self.write(&partition);
        }
        (self.files, self.bytes)
    }
}

impl Stage for Building<'_> {
    fn begin(&mut self, file: &LogFile) {
        self.path.clone_from(&file.path);
        self.delivery_time = file.delivery_time;
    }

    fn end(&mut self) {
        let bytes: usize = self.builders.values().map(EventBatchBuilder::size_bytes).sum();
        self.hand_over(if bytes > ConvertOptions::WORKER_BYTES { 0 } else { ConvertOptions::PART_BYTES });
    }
}

impl RecordSink for Building<'_> {
    fn record(&mut self, index: u64, record: &EventRecord<'_>) {
        if self.duplicates.contains(&Place::new(&self.path, index)) {
            return;
        }
        let lineage = Lineage {
            log_file_path: &self.path,
            record_index: index,
            delivery_time: self.delivery_time,
            is_known_id: false,
        };
        self.builders.entry(EventPartition::of(record)).or_default().append(record, &lineage);
    }

    fn reject(&mut self, _reject: Reject<'_>) {}
}

/// Wall time and the process's CPU time, in seconds.
#[derive(Debug, Clone, Copy)]
struct Usage {
    wall: f64,
    cpu: f64,
}

fn measured<T>(work: impl FnOnce() -> T) -> (T, Usage) {
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let result = work();
    (result, Usage { wall: began.elapsed().as_secs_f64(), cpu: cpu_seconds() - cpu })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// User and system time of this process by `/proc/self/stat`, in seconds; 100 ticks a second on every Linux.
fn cpu_seconds() -> f64 {
    let stat = fs_err::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

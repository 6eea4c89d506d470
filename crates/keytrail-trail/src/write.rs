//! Turns the plan into files: records into text, text into gzip members, members into a tree or an iterator.
//!
//! Files are independent of each other, so threads share nothing but the plan.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use libdeflater::{CompressionLvl, Compressor};

use super::config::{GeneratedFile, GeneratedKind, TrailConfig, TrailSummary};
use super::contexts::RARE_RECIPES;
use super::cross_account::{self, Copy};
use super::draft::Draft;
use super::json::{JsonText, civil, push_padded};
use super::kms::KMS_RECIPES;
use super::other::OTHER_RECIPES;
use super::plan::{Item, Plan};
use super::random::{Random, pick_weighted};
use super::scene::Scene;
use super::side;
use super::story;
use super::world::World;

/// Share of KMS events among the drawn ones.
const KMS_SHARE: f64 = 0.45;
/// One log file in this many is vouched for by a digest file.
const FILES_PER_DIGEST: usize = 97;
/// A second delivery of a file comes an hour after the first.
const REDELIVERY_DELAY: i64 = 3_600;

/// Writes the trail below `root`, on all cores.
///
/// # Errors
/// When a folder or file cannot be written.
pub fn generate(config: &TrailConfig, root: &Path) -> io::Result<TrailSummary> {
    let world = World::new(config);
    let plan = Plan::new(config, &world);
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(plan.files.len());
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..workers).map(|_| scope.spawn(|| write_files(config, &world, &plan, &next, root))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a generator thread panicked"))))
            .collect::<io::Result<Vec<Counts>>>()
    })?;
    Ok(counts.into_iter().fold(Counts::default(), Counts::plus).summary(config, &world))
}

fn write_files(
    config: &TrailConfig,
    world: &World,
    plan: &Plan,
    next: &AtomicUsize,
    root: &Path,
) -> io::Result<Counts> {
    let mut maker = FileMaker::new(config, world, plan);
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if index >= plan.files.len() {
            return Ok(maker.counts);
        }
        for file in maker.make(index) {
            write_file(root, &file)?;
        }
    }
}

fn write_file(root: &Path, file: &GeneratedFile) -> io::Result<()> {
    let path = root.join(&file.key);
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::write(path, &file.bytes)
}

/// The files of the trail one after the other, made as they are asked for: for stores that are no folder.
pub fn generate_files(config: &TrailConfig) -> impl Iterator<Item = GeneratedFile> + use<> {
    let config = config.clone();
    let world = World::new(&config);
    let plan = Plan::new(&config, &world);
    (0..plan.files.len()).flat_map(move |index| FileMaker::new(&config, &world, &plan).make(index))
}

/// The summary that [`generate`] would return, without writing anything.
pub fn summarize(config: &TrailConfig) -> TrailSummary {
    let world = World::new(config);
    let plan = Plan::new(config, &world);
    let mut maker = FileMaker::new(config, &world, &plan);
    for index in 0..plan.files.len() {
        maker.make(index);
    }
    maker.counts.summary(config, &world)
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    log_files: u64,
    empty: u64,
    redelivered: u64,
    records: u64,
    distinct: u64,
    kms: u64,
    late: u64,
    across: u64,
    digests: u64,
    insights: u64,
    network: u64,
    aggregated: u64,
    json_bytes: u64,
    gzip_bytes: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            log_files: self.log_files + other.log_files,
            empty: self.empty + other.empty,
            redelivered: self.redelivered + other.redelivered,
            records: self.records + other.records,
            distinct: self.distinct + other.distinct,
            kms: self.kms + other.kms,
            late: self.late + other.late,
            across: self.across + other.across,
            digests: self.digests + other.digests,
            insights: self.insights + other.insights,
            network: self.network + other.network,
            aggregated: self.aggregated + other.aggregated,
            json_bytes: self.json_bytes + other.json_bytes,
            gzip_bytes: self.gzip_bytes + other.gzip_bytes,
        }
    }

    fn summary(self, config: &TrailConfig, world: &World) -> TrailSummary {
        debug_assert_eq!(self.distinct, config.event_count, "the plan shares out exactly what was asked for");
        TrailSummary {
            log_files: self.log_files,
            empty_log_files: self.empty,
            redelivered_log_files: self.redelivered,
            api_event_records: self.records,
            distinct_events: self.distinct,
            duplicates: self.records - self.distinct,
            kms_events: self.kms,
            late_events: self.late,
            cross_account_pairs: self.across,
            digest_files: self.digests,
            insight_files: self.insights,
            network_activity_files: self.network,
            aggregated_files: self.aggregated,
            json_bytes: self.json_bytes,
            gzip_bytes: self.gzip_bytes,
            facts: world.facts(),
        }
    }
}

/// Writes log files; its buffers are used again and again.
struct FileMaker<'w> {
    config: &'w TrailConfig,
    world: &'w World,
    plan: &'w Plan,
    draft: Draft<'w>,
    text: JsonText,
    compressor: Compressor,
    counts: Counts,
}

impl<'w> FileMaker<'w> {
    fn new(config: &'w TrailConfig, world: &'w World, plan: &'w Plan) -> Self {
        let level = CompressionLvl::new(config.compression_level).unwrap_or_default();
        Self {
            config,
            world,
            plan,
            draft: Draft::new(),
            text: JsonText::default(),
            compressor: Compressor::new(level),
            counts: Counts::default(),
        }
    }

    /// The log file of that number and what lies beside it; nothing where there was nothing to deliver.
    fn make(&mut self, index: usize) -> Vec<GeneratedFile> {
        let mut files = Vec::new();
        let items = self.plan.items(index);
        if !items.is_empty() {
            self.write_records(&items);
            self.add_log_file(&mut files, index, items.len());
        }
        if self.config.side_files {
            self.add_side_files(&mut files, index);
        }
        files
    }

    fn write_records(&mut self, items: &[Item]) {
        self.text.clear();
        self.text.open().member("Records").open_list();
        for item in items {
            self.draft.reset();
            self.write_record(*item);
            self.draft.write(&mut self.text);
        }
        self.text.close_list().close();
    }

    fn write_record(&mut self, item: Item) {
        match item {
            Item::Own { file, position } => {
                let late = self.write_own(file, position, Copy::Caller);
                self.counts.late += u64::from(late);
                self.count_distinct();
            }
            Item::OwnerCopy { file, position } => {
                let late = self.write_own(file, position, Copy::Owner);
                self.counts.late += u64::from(late);
                self.counts.across += 1;
                self.count_distinct();
            }
            Item::Scripted(number) => {
                self.write_scripted(number);
                self.count_distinct();
            }
            Item::Repeated { file, position } => {
                self.write_own(file, position, Copy::Caller);
            }
        }
        self.counts.records += 1;
    }

    fn count_distinct(&mut self) {
        self.counts.distinct += 1;
        self.counts.kms += u64::from(self.draft.source == "kms.amazonaws.com");
    }

    fn write_own(&mut self, file: usize, position: u32, copy: Copy) -> bool {
        let planned = &self.plan.files[file];
        let mut random = self.plan.event_random(file, position);
        let (time, late) = self.plan.event_time(file, &mut random, self.world, self.config.late_rate);
        let mut scene = Scene { world: self.world, place_index: planned.place, time, random, draft: &mut self.draft };
        let across = position < planned.across;
        // Pairs are found by their shared id: they stay free of oddities.
        scene.stamp(if across { 0.0 } else { self.config.oddity_rate });
        if across {
            cross_account::call(&mut scene, copy);
        } else {
            let is_kms = scene.random.chance(KMS_SHARE);
            // Without rare records nothing is drawn for them, so that all others stay what they were.
            let is_rare = self.config.rare_rate > 0.0 && scene.random.chance(self.config.rare_rate);
            let recipes = match (is_rare, is_kms) {
                (true, _) => RARE_RECIPES,
                (false, true) => KMS_RECIPES,
                (false, false) => OTHER_RECIPES,
            };
            pick_weighted(&mut scene.random, recipes)(&mut scene);
        }
        self.draft.delivery_delayed = late;
        late
    }

    fn write_scripted(&mut self, number: usize) {
        let scripted = self.plan.script[number];
        let random = self.plan.scripted_random(number);
        let mut scene = Scene {
            world: self.world,
            place_index: scripted.place,
            time: scripted.time,
            random,
            draft: &mut self.draft,
        };
        scene.stamp(0.0);
        scene.draft.version = super::draft::Version::NEWEST;
        story::perform(&mut scene, scripted.step);
    }

    fn add_log_file(&mut self, files: &mut Vec<GeneratedFile>, index: usize, records: usize) {
        let planned = &self.plan.files[index];
        let mut random = self.plan.name_random(index);
        let key = self.key("CloudTrail", planned.place, planned.delivery, &mut random);
        let bytes = gzip(&mut self.compressor, self.text.as_str());
        self.count_log_file(&bytes);
        if planned.redelivered {
            let again = self.key("CloudTrail", planned.place, planned.delivery + REDELIVERY_DELAY, &mut random);
            self.count_log_file(&bytes);
            self.counts.redelivered += 1;
            self.counts.records += records as u64;
            files.push(GeneratedFile { key: again, kind: GeneratedKind::LogFile, bytes: bytes.clone() });
        }
        if self.config.side_files && index % FILES_PER_DIGEST == 5 {
            self.add_digest(files, index, &key);
        }
        files.insert(0, GeneratedFile { key, kind: GeneratedKind::LogFile, bytes });
    }

    fn count_log_file(&mut self, bytes: &[u8]) {
        self.counts.log_files += 1;
        self.counts.json_bytes += self.text.as_str().len() as u64;
        self.counts.gzip_bytes += bytes.len() as u64;
    }

    fn add_digest(&mut self, files: &mut Vec<GeneratedFile>, index: usize, log_file: &str) {
        let planned = &self.plan.files[index];
        let place = &self.world.places[planned.place];
        let key = self.digest_key(planned.place, planned.delivery + 1_800);
        let digested = side::DigestedFile { key: log_file, text: self.text.as_str(), delivery: planned.delivery };
        let text = side::digest_text(self.world, place, &key, &digested);
        self.counts.digests += 1;
        let bytes = gzip(&mut self.compressor, &text);
        files.push(GeneratedFile { key, kind: GeneratedKind::Digest, bytes });
    }

    /// The few other objects of the trail: at its first file and in its middle.
    fn add_side_files(&mut self, files: &mut Vec<GeneratedFile>, index: usize) {
        let planned = &self.plan.files[index];
        let place = &self.world.places[planned.place];
        let mut random = Random::of(self.plan.name_random(index).next(), 11, 0);
        if index == 0 {
            let text = side::insight_text(self.world, place, planned.delivery - 600, &mut random);
            self.add_side(files, index, "CloudTrail-Insight", GeneratedKind::Insight, &text);
            self.text.set("{\"Records\":[]}");
            let key = self.key("CloudTrail", planned.place, planned.delivery + 300, &mut random);
            let bytes = gzip(&mut self.compressor, self.text.as_str());
            self.count_log_file(&bytes);
            self.counts.empty += 1;
            files.push(GeneratedFile { key, kind: GeneratedKind::LogFile, bytes });
        }
        if index == self.plan.files.len() / 2 {
            let text = side::network_activity_text(self.world, planned.place, planned.delivery - 600, &mut random);
            self.add_side(files, index, "CloudTrail-NetworkActivity", GeneratedKind::NetworkActivity, &text);
            let text = side::aggregated_text(self.world, place, planned.delivery - 600, &mut random);
            self.add_side(files, index, "CloudTrail-Aggregated", GeneratedKind::Aggregated, &text);
        }
    }

    fn add_side(
        &mut self,
        files: &mut Vec<GeneratedFile>,
        index: usize,
        folder: &str,
        kind: GeneratedKind,
        text: &str,
    ) {
        let planned = &self.plan.files[index];
        let mut random = Random::of(self.plan.name_random(index).next(), 12, text.len() as u64);
        let key = self.key(folder, planned.place, planned.delivery, &mut random);
        match kind {
            GeneratedKind::Insight => self.counts.insights += 1,
            GeneratedKind::NetworkActivity => self.counts.network += 1,
            _ => self.counts.aggregated += 1,
        }
        let bytes = gzip(&mut self.compressor, text);
        files.push(GeneratedFile { key, kind, bytes });
    }

    fn folder(&self, kind: &str, place: usize, time: i64) -> String {
        let place = &self.world.places[place];
        let mut key = String::with_capacity(160);
        key.push_str("AWSLogs/");
        if let Some(organization) = &self.config.organization_id {
            key.extend([organization, "/"]);
        }
        key.extend([self.world.account_id(place.account), "/", kind, "/", &self.world.regions[place.region], "/"]);
        let day = civil(time);
        push_padded(&mut key, day.year, 4);
        key.push('/');
        push_padded(&mut key, day.month, 2);
        key.push('/');
        push_padded(&mut key, day.day, 2);
        key.push('/');
        key
    }

    fn key(&self, kind: &str, place: usize, delivery: i64, random: &mut Random) -> String {
        let mut key = self.folder(kind, place, delivery);
        let place = &self.world.places[place];
        key.extend([self.world.account_id(place.account), "_", kind, "_", &self.world.regions[place.region], "_"]);
        push_stamp(&mut key, delivery, false);
        key.push('_');
        random.push_alphanumeric(&mut key, 16);
        key.push_str(".json.gz");
        key
    }

    fn digest_key(&self, place: usize, end: i64) -> String {
        let mut key = self.folder("CloudTrail-Digest", place, end);
        let place = &self.world.places[place];
        let region = self.world.regions[place.region].as_str();
        key.extend([
            self.world.account_id(place.account),
            "_CloudTrail-Digest_",
            region,
            "_organization_",
            &self.world.regions[0],
            "_",
        ]);
        push_stamp(&mut key, end, true);
        key.push_str(".json.gz");
        key
    }
}

/// Compresses a text into one gzip member; equal texts give equal bytes.
fn gzip(compressor: &mut Compressor, text: &str) -> Vec<u8> {
    let mut bytes = vec![0; compressor.gzip_compress_bound(text.len())];
    let written = compressor.gzip_compress(text.as_bytes(), &mut bytes).expect("the bound leaves room for any content");
    bytes.truncate(written);
    bytes
}

/// Appends `YYYYMMDDTHHMMZ`, or `YYYYMMDDTHHMMSSZ` with seconds.
fn push_stamp(out: &mut String, seconds: i64, with_seconds: bool) {
    let moment = civil(seconds);
    push_padded(out, moment.year, 4);
    push_padded(out, moment.month, 2);
    push_padded(out, moment.day, 2);
    out.push('T');
    push_padded(out, moment.hour, 2);
    push_padded(out, moment.minute, 2);
    if with_seconds {
        push_padded(out, moment.second, 2);
    }
    out.push('Z');
}

//! Which records stand in which log file, decided before the first one is written.
//!
//! An event is drawn from (file, position) alone, so that a repeated delivery or the second account's copy can be written anywhere,
//! by any thread, without remembering the first. No record is written here.

use super::config::TrailConfig;
use super::random::{Random, mix};
use super::story::{Scripted, script};
use super::world::World;

const STREAM_FILE: u64 = 2;
const STREAM_SIZE: u64 = 3;
const STREAM_ITEMS: u64 = 4;
/// Calls are delivered at most this many seconds after they happened, unless they are late.
const WINDOW: i64 = 900;
const DAY: i64 = 86_400;

/// One log file to write.
#[derive(Debug, Clone)]
pub(crate) struct PlannedFile {
    pub(crate) place: usize,
    pub(crate) slot: usize,
    /// Seconds since the epoch; the name shows the minute.
    pub(crate) delivery: i64,
    /// Number of the file's first own event in the trail.
    pub(crate) first_event: u64,
    /// Own events: drawn for this file.
    pub(crate) own: u32,
    /// How many of the own events, the first ones, are calls across accounts.
    pub(crate) across: u32,
    /// Range in [`Plan::script`].
    pub(crate) scripted: (usize, usize),
    /// Records of earlier files that are delivered again here.
    pub(crate) repeated: u32,
    /// The whole file is delivered once more.
    pub(crate) redelivered: bool,
}

/// One record of a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// An own event of a file, by file and position.
    Own { file: usize, position: u32 },
    /// Account 0's copy of a call across accounts, which is an own event of the file.
    OwnerCopy { file: usize, position: u32 },
    /// A step of the script.
    Scripted(usize),
    /// Another file's own event, delivered again.
    Repeated { file: usize, position: u32 },
}

/// All log files and what stands in them.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    places: usize,
    regions: usize,
    pub(crate) script: Vec<Scripted>,
    pub(crate) files: Vec<PlannedFile>,
}

impl Plan {
    pub(crate) fn new(config: &TrailConfig, world: &World) -> Self {
        let mut script = script(world);
        script.truncate(usize::try_from(config.event_count / 2).unwrap_or(usize::MAX).min(script.len()));
        let places = world.places.len();
        let wanted = config.event_count / config.events_per_file_mean.max(1);
        let slots = usize::try_from(wanted).unwrap_or(usize::MAX).div_ceil(places).max(1);
        let mut plan = Self {
            seed: config.seed,
            places,
            regions: world.regions.len(),
            script,
            files: Vec::with_capacity(slots * places),
        };
        plan.lay_out(config, world, slots);
        plan.share_out_events(config, world);
        plan.order_script();
        plan
    }

    fn lay_out(&mut self, config: &TrailConfig, world: &World, slots: usize) {
        let length = (world.end - world.start) / i64::try_from(slots).unwrap_or(i64::MAX).max(1);
        let mut slot_end = world.start;
        for slot in 0..slots {
            slot_end = if slot + 1 == slots { world.end } else { slot_end + length };
            for place in 0..self.places {
                let mut random = Random::of(config.seed, STREAM_FILE, (slot * self.places + place) as u64);
                let delivery = slot_end - random.seconds((length / 2).max(1)) + 120;
                let redelivered = random.chance(config.redelivered_file_rate);
                self.files.push(PlannedFile {
                    place,
                    slot,
                    delivery,
                    first_event: 0,
                    own: 0,
                    across: 0,
                    scripted: (0, 0),
                    repeated: 0,
                    redelivered,
                });
            }
        }
    }

    /// Shares the wanted number of events out, so that own events, owners' copies and scripted events add up to it exactly.
    fn share_out_events(&mut self, config: &TrailConfig, world: &World) {
        let weights = self.weights(world);
        let foreign: f64 =
            weights.iter().zip(&self.files).filter(|(_, file)| self.crosses(file)).map(|(weight, _)| weight).sum();
        let share = foreign / weights.iter().sum::<f64>();
        let rest = config.event_count - self.script.len() as u64;
        let own = (rest as f64 / (1.0 + config.cross_account_rate * share)).floor();
        let mut shares = Shares::default();
        for (index, weight) in weights.iter().enumerate() {
            let crosses = self.crosses(&self.files[index]);
            let file = &mut self.files[index];
            file.own = shares.own.take(own * weight / weights.iter().sum::<f64>().max(f64::MIN_POSITIVE));
            file.across = if crosses {
                shares.across.take(f64::from(file.own) * config.cross_account_rate).min(file.own)
            } else {
                0
            };
            file.repeated =
                if file.slot > 0 { shares.repeated.take(f64::from(file.own) * config.duplicate_rate) } else { 0 };
        }
        self.correct(rest);
        let mut next = 0;
        for file in &mut self.files {
            file.first_event = next;
            next += u64::from(file.own);
        }
    }

    /// Rounding leaves a few events over or short: the fullest files take them.
    fn correct(&mut self, rest: u64) {
        let mut planned: u64 = self.files.iter().map(|file| u64::from(file.own) + u64::from(file.across)).sum();
        while planned != rest {
            let fullest = self.files.iter_mut().max_by_key(|file| file.own - file.across);
            let Some(file) = fullest else { return };
            if planned < rest {
                let missing = u32::try_from(rest - planned).unwrap_or(u32::MAX);
                file.own += missing;
                planned += u64::from(missing);
            } else {
                file.own -= 1;
                planned -= 1;
            }
        }
    }

    /// How much of the traffic a file has: accounts and regions differ, nights are quiet, sizes have a long tail.
    fn weights(&self, world: &World) -> Vec<f64> {
        const ACCOUNTS: [f64; 5] = [0.6, 1.6, 1.0, 0.5, 0.3];
        const REGIONS: [f64; 4] = [1.8, 0.8, 0.4, 0.2];
        let weight = |(index, file): (usize, &PlannedFile)| {
            let place = &world.places[file.place];
            let hour = file.delivery.rem_euclid(DAY) / 3_600;
            let daily = if (7..19).contains(&hour) { 1.3 } else { 0.7 };
            ACCOUNTS[place.account.min(4)]
                * REGIONS[place.region.min(3)]
                * daily
                * Random::of(self.seed, STREAM_SIZE, index as u64).log_normal(0.7)
        };
        self.files.iter().enumerate().map(weight).collect()
    }

    fn crosses(&self, file: &PlannedFile) -> bool {
        file.place >= self.regions
    }

    /// Puts every scripted event into the first file of its place that is delivered after it, else into the last one.
    fn order_script(&mut self) {
        let slots = self.files.len() / self.places;
        let slot_of = |files: &[PlannedFile], scripted: &Scripted| {
            let deliveries = (0..slots).map(|slot| files[slot * self.places + scripted.place].delivery);
            deliveries.into_iter().position(|delivery| delivery > scripted.time).unwrap_or(slots - 1)
        };
        let mut placed: Vec<(usize, Scripted)> = self
            .script
            .iter()
            .map(|scripted| (slot_of(&self.files, scripted) * self.places + scripted.place, *scripted))
            .collect();
        placed.sort_by_key(|(file, scripted)| (*file, scripted.time));
        for (position, (file, _)) in placed.iter().enumerate() {
            let range = &mut self.files[*file].scripted;
            *range = if range.1 == 0 { (position, position + 1) } else { (range.0, position + 1) };
        }
        self.script = placed.into_iter().map(|(_, scripted)| scripted).collect();
    }

    /// The records of a file, in the order they stand in it.
    pub(crate) fn items(&self, index: usize) -> Vec<Item> {
        let file = &self.files[index];
        let mut random = Random::of(self.seed, STREAM_ITEMS, index as u64);
        let mut items: Vec<Item> = (0..file.own).map(|position| Item::Own { file: index, position }).collect();
        items.extend((file.scripted.0..file.scripted.1).map(Item::Scripted));
        if file.place < self.regions {
            for account_place in (file.place + self.regions..self.places).step_by(self.regions) {
                let caller = file.slot * self.places + account_place;
                items.extend((0..self.files[caller].across).map(|position| Item::OwnerCopy { file: caller, position }));
            }
        }
        for _ in 0..file.repeated {
            items.extend(self.repeated_item(file, &mut random));
        }
        random.shuffle(&mut items);
        items
    }

    /// An event of one of the place's last files; none when that file has none.
    fn repeated_item(&self, file: &PlannedFile, random: &mut Random) -> Option<Item> {
        let slot = file.slot - 1 - random.skewed(file.slot.min(40));
        let source = slot * self.places + file.place;
        let own = self.files[source].own;
        if own == 0 {
            return None;
        }
        let position = u32::try_from(random.below(u64::from(own))).unwrap_or(0);
        Some(Item::Repeated { file: source, position })
    }

    /// The random stream of an own event: everything about it follows from it.
    pub(crate) fn event_random(&self, file: usize, position: u32) -> Random {
        Random::of(self.seed, 5, self.files[file].first_event + u64::from(position))
    }

    pub(crate) fn scripted_random(&self, number: usize) -> Random {
        Random::of(self.seed, 6, number as u64)
    }

    /// When an own event happened, and whether its delivery was late.
    pub(crate) fn event_time(&self, file: usize, random: &mut Random, world: &World, late_rate: f64) -> (i64, bool) {
        let delivery = self.files[file].delivery;
        let late = random.chance(late_rate);
        let unit = random.unit();
        let age = if late {
            (unit * unit * unit * (45 * DAY) as f64).round().clamp(3_600.0, f64::MAX)
        } else {
            (unit * WINDOW as f64).round()
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most 45 days in seconds")]
        let time = (delivery - 120 - age as i64).clamp(world.start, world.end - 1);
        (time, late && delivery - time >= 3_600)
    }

    /// The random part of a file's name.
    pub(crate) fn name_random(&self, index: usize) -> Random {
        Random::of(mix(self.seed), STREAM_FILE, index as u64)
    }
}

/// Turns fractions into whole numbers so that their sum stays true.
#[derive(Debug, Default)]
struct Share {
    owed: f64,
}

impl Share {
    fn take(&mut self, amount: f64) -> u32 {
        self.owed += amount;
        let whole = self.owed.floor().max(0.0);
        self.owed -= whole;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a file holds far fewer than 4 billion records"
        )]
        let count = whole as u32;
        count
    }
}

#[derive(Debug, Default)]
struct Shares {
    own: Share,
    across: Share,
    repeated: Share,
}

//! `keytrail-trail --events N --seed S --out DIR [--days N] [--accounts N]`: writes a generated trail and prints its summary.
//!
//! For benchmarks and by hand; users of keytrail never need it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool prints")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use keytrail_trail::{TrailConfig, generate};

const USAGE: &str = "usage: keytrail-trail --out DIR [--events N] [--seed S] [--days N] [--accounts N]";

fn main() -> ExitCode {
    let (config, out) = match parse(std::env::args().skip(1)) {
        Ok(parsed) => parsed,
        Err(message) => {
            eprintln!("error: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let started = Instant::now();
    match generate(&config, &out) {
        Ok(summary) => {
            println!("{summary:#?}");
            let seconds = started.elapsed().as_secs_f64();
            println!("{seconds:.2} s, {:.0} MB of JSON a second", summary.json_bytes as f64 / 1e6 / seconds);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(74)
        }
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<(TrailConfig, PathBuf), String> {
    let mut config = TrailConfig::default();
    let mut out = None;
    let mut arguments = arguments;
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("no value for {name}"))?;
        let number = || value.parse::<u64>().map_err(|error| format!("{name}: {error}: {value}"));
        match name.as_str() {
            "--events" => config.event_count = number()?,
            "--seed" => config.seed = number()?,
            "--days" => config.days = u32::try_from(number()?).map_err(|error| error.to_string())?,
            "--accounts" => config.account_count = usize::try_from(number()?).map_err(|error| error.to_string())?,
            "--out" => out = Some(PathBuf::from(&value)),
            _ => return Err(format!("unknown option: {name}")),
        }
    }
    Ok((config, out.ok_or("no --out")?))
}

//! Any text as a moment: read as chrono reads it, and written again as it was.
#![no_main]

use chrono::DateTime;
use keytrail_events::time::{month_of, parse_time, push_time};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let found = parse_time(text);
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        assert_eq!(found, Some(moment.timestamp_micros()));
    }
    let Some(micros) = found else { return };
    let mut written = String::new();
    push_time(&mut written, micros);
    let moment = DateTime::from_timestamp_micros(micros).expect("chrono read it too");
    let is_of_four_digits = (0..10_000).contains(&chrono::Datelike::year(&moment));
    assert!(!is_of_four_digits || parse_time(&written) == Some(micros.div_euclid(1_000_000) * 1_000_000));
    assert_eq!(month_of(micros), moment.format("%Y-%m").to_string());
});

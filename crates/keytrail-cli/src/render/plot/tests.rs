//! Pictures of small results, and shapes that are refused.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use unicode_width::UnicodeWidthStr as _;

use super::*;
use crate::render::{Format, renderer};
use crate::spool::Spool;

fn plot(columns: Vec<(&str, ArrayRef)>, width: u16) -> Result<String, String> {
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let spool = Spool::new();
    let mut out = spool.writer(Destination::Terminal { width });
    let mut renderer = renderer(Format::Plot, &batch.schema(), &mut out).map_err(|error| error.text())?;
    renderer.write_batch(&batch).map_err(|error| error.text())?;
    renderer.finish().expect("memory");
    out.finish().expect("memory");
    Ok(spool.text())
}

fn texts(texts: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(texts.to_vec()))
}

fn numbers(numbers: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(numbers.to_vec()))
}

fn days(days: std::ops::Range<i32>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(days))
}

#[test]
fn names_have_bars() {
    let columns = vec![("service", texts(&["s3", "ebs", "nobody"])), ("n", numbers(&[1200, 300, 0]))];
    insta::assert_snapshot!(plot(columns, 40).expect("a picture"), @"
    n
    s3     1,200 ██████████████████████████
    ebs      300 ██████▌
    nobody     0
    ");
}

#[test]
fn a_year_of_days_fits_a_screen() {
    let amounts: Vec<i64> = (0..365).map(|day| if day % 30 < 20 { day } else { 0 }).collect();
    let picture = plot(vec![("day", days(20_089..20_454)), ("uses", numbers(&amounts))], 80).expect("a picture");
    assert!(picture.lines().count() <= 22, "{picture}");
    assert!(picture.lines().all(|line| line.width() <= 80), "{picture}");
    assert!(picture.contains("2024-12-30") && picture.contains("2025-12-29"), "{picture}");
    assert!(picture.ends_with("one column is a week; 43,690 in all\n"), "{picture}");
}

/// The mean of a week is not the sum of its days' means.
#[test]
fn rows_of_one_column_are_not_added_up() {
    let shares: ArrayRef = Arc::new(Float64Array::from(vec![50.0; 365]));
    let picture = plot(vec![("day", days(20_089..20_454)), ("share", shares)], 80).expect("a picture");
    assert!(picture.contains("50 ┤") && picture.contains("25 ┤"), "{picture}");
    assert!(picture.ends_with("one column is a week, as high as its greatest row\n"), "{picture}");
}

#[test]
fn names_over_time_have_a_line_each() {
    let columns = vec![
        ("key", texts(&["a", "b", "a", "b"])),
        ("day", Arc::new(Date32Array::from(vec![20_089, 20_089, 20_098, 20_092])) as ArrayRef),
        ("n", numbers(&[8, 1, 4, 1])),
    ];
    insta::assert_snapshot!(plot(columns, 60).expect("a picture"), @"
      most n
    a    8 █        ▄
    b    1 █  █
           2025-01-01  2025-01-10
    one column is a day; 14 in all
    ");
}

#[test]
fn names_with_a_time_each_have_bars() {
    let columns = vec![("key", texts(&["a", "b"])), ("n", numbers(&[8, 4])), ("first", days(20_089..20_091))];
    insta::assert_snapshot!(plot(columns, 30).expect("a picture"), @"
    n
    a 8 █████████████████████████
    b 4 ████████████▌
    not drawn: first
    ");
}

#[test]
fn what_is_left_out_is_told() {
    let times = TimestampMicrosecondArray::from(vec![Some(0), None, Some(1)]).with_timezone("UTC");
    let columns =
        vec![("at", Arc::new(times) as ArrayRef), ("n", Arc::new(Int64Array::from(vec![Some(1), Some(1), None])) as _)];
    assert!(plot(columns, 60).expect("a picture").ends_with("2 rows without a time or a finite number are left out\n"));
    let many: Vec<String> = (0..100).map(|n| format!("name {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let picture = plot(vec![("x", texts(&many)), ("n", numbers(&[1; 100]))], 60).expect("a picture");
    assert!(picture.contains("… 40 more"), "{picture}");
    assert_eq!(plot(vec![("x", texts(&[])), ("n", numbers(&[]))], 60).expect("a text"), "nothing to plot: no rows\n");
}

#[test]
fn numbers_without_a_place_in_a_picture_are_told() {
    let infinite: ArrayRef = Arc::new(Float64Array::from(vec![f64::INFINITY]));
    assert_eq!(
        plot(vec![("x", texts(&["a"])), ("n", infinite)], 60).expect("a text"),
        "nothing to plot\n1 row without a time or a finite number is left out\n"
    );
}

#[test]
fn labels_of_any_length_stand_in_one_column() {
    for amounts in [[1051, 0], [1, 0], [1, 2_000], [999, 1], [1_000_001, 5]] {
        let picture = plot(vec![("day", days(0..2)), ("n", numbers(&amounts))], 40).expect("a picture");
        let axis: Vec<_> = picture.lines().filter_map(|line| line.find(['┤', '┼'])).collect();
        assert!(axis.len() == 15 && axis.iter().all(|place| *place == axis[0]), "{picture}");
        assert!(picture.lines().all(|line| line.width() <= 40), "{picture}");
    }
}

#[test]
fn several_names_are_one_and_several_numbers_are_told() {
    let columns = vec![
        ("key", texts(&["k", "k", "k"])),
        ("day", days(20_089..20_092)),
        ("operation", texts(&["Decrypt", "Encrypt", "Decrypt"])),
        ("service", texts(&["s3", "ebs", "s3"])),
        ("uses", numbers(&[8, 1, 4])),
        ("failed", numbers(&[0, 0, 0])),
    ];
    insta::assert_snapshot!(plot(columns, 60).expect("a picture"), @"
                most uses
    Decrypt s3     8 █ ▄
    Encrypt ebs    1  █
                     2025-01-01  2025-01-03
    one column is a day; 13 in all
    not drawn: failed
    ");
    let columns = vec![("a", texts(&["x", "x"])), ("b", texts(&["y", "y"])), ("n", numbers(&[1, 2]))];
    assert!(plot(columns, 40).expect("a picture").contains("\ny 1 "), "the last name stays");
}

#[test]
fn hours_and_years_are_names() {
    let picture = plot(vec![("hour", numbers(&[0, 1])), ("n", numbers(&[5, 10]))], 40).expect("a picture");
    assert!(picture.starts_with("n\n0  5 █"), "{picture}");
}

#[test]
fn other_shapes_are_refused_with_what_to_select() {
    for columns in [
        vec![("x", texts(&["a"]))],
        vec![("n", numbers(&[1]))],
        vec![("n", numbers(&[1])), ("m", numbers(&[1])), ("o", numbers(&[1]))],
        vec![("first", days(0..1)), ("last", days(0..1)), ("n", numbers(&[1]))],
        vec![("day", days(0..1)), ("n", numbers(&[-1]))],
    ] {
        let error = plot(columns, 80).expect_err("no shape");
        assert!(error.starts_with("cannot plot "), "{error}");
    }
}

#[test]
fn names_from_data_cannot_steer_the_terminal() {
    let picture = plot(vec![("x", texts(&["\u{1b}[2J\u{202e}"])), ("n", numbers(&[1]))], 80).expect("a picture");
    assert!(!picture.contains(|c| escape::is_unsafe(c) && c != '\n'), "{picture:?}");
}

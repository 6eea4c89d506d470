//! Draws points with block characters: columns, bars, small lines. It knows nothing of record batches.

use std::collections::HashSet;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::Point;
use super::scale::{TimeScale, amount_text};
use super::shape::Shape;
use crate::render::grid::cut;

/// Columns grow from below, in eighths.
const COLUMN: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Bars grow from the left, in eighths.
const BAR: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Lines of columns over time: with axis, legend and the prompt they fit 24 lines.
const HEIGHT: usize = 14;
/// Bars and lines shown; what is left out is counted.
const MAX_ROWS: usize = 60;
/// A column over time is not wider.
const WIDEST_COLUMN: usize = 6;

/// The picture, a text of lines.
pub(super) fn draw(shape: &Shape, points: &[Point], width: usize) -> String {
    match shape.time {
        _ if points.is_empty() => "nothing to plot: no rows\n".to_owned(),
        Some(_) if shape.names.is_empty() => columns(shape, points, width),
        Some(_) => small_lines(shape, points, width),
        None => bars(shape, points, width),
    }
}

fn columns(shape: &Shape, points: &[Point], width: usize) -> String {
    let mut margin = amount_text(total(points)).width();
    let (mut room, mut scale, mut heights, mut most) = steps(shape, points, width, margin);
    // Half of an odd number is the longest label there can be, and then asks for the room of its own.
    let widest = [most, most / 2.0].map(|amount| amount_text(amount).width()).into_iter().max().unwrap_or(0);
    if widest > margin {
        margin = widest + 1;
        (room, scale, heights, most) = steps(shape, points, width, margin);
    }
    let column = (room / scale.step_count).clamp(1, WIDEST_COLUMN);
    let mut text = format!("{}\n", shape.measure_name);
    for row in (0..HEIGHT).rev() {
        let label = match row {
            _ if row == HEIGHT - 1 => amount_text(most),
            _ if row == HEIGHT / 2 - 1 => amount_text(most / 2.0),
            _ => String::new(),
        };
        let cells: String = heights.iter().map(|height| wide(cell(*height, most, row), column)).collect();
        writeln!(text, "{label:>margin$} ┤{}", cells.trim_end()).expect("writing to a string cannot fail");
    }
    writeln!(text, "{:>margin$} ┼{}", "0", "─".repeat(column * scale.step_count)).expect("a string");
    text.push_str(&time_axis(scale, margin + 2, column * scale.step_count));
    text.push_str(&legend(shape, scale, points));
    text
}

/// The columns beside labels of some width: the room for them, their scale, what each amounts to, and the most of it.
fn steps(shape: &Shape, points: &[Point], width: usize, margin: usize) -> (usize, TimeScale, Vec<f64>, f64) {
    let room = width.saturating_sub(margin + 3).max(10);
    let scale = scale(shape, points, room);
    let heights = heights(shape, scale, points.iter());
    let most = heights.iter().copied().fold(0.0, f64::max);
    (room, scale, heights, most)
}

/// The eighths of a column that stand in a row of the picture; what is not nothing is seen.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 eighths per row")]
fn cell(amount: f64, most: f64, row: usize) -> char {
    let eighths = (amount / most * (HEIGHT * 8) as f64).round() as usize;
    let eighths = if amount > 0.0 { eighths.max(1) } else { 0 };
    COLUMN[eighths.saturating_sub(row * 8).min(8)]
}

/// A wide column has a gap to the next.
fn wide(cell: char, width: usize) -> String {
    if width == 1 { cell.to_string() } else { cell.to_string().repeat(width - 1) + " " }
}

/// The first and the last step under their columns, and the one in the middle where there is room.
fn time_axis(scale: TimeScale, margin: usize, width: usize) -> String {
    let (first, last) = (scale.label(0), scale.label(scale.step_count - 1));
    let middle = scale.label(scale.step_count / 2);
    let mut axis = format!("{:margin$}{first}", "");
    if scale.step_count > 2 && width > 3 * (first.len() + 2) {
        axis.push_str(&format!("{:>1$}", middle, (width + middle.len()) / 2 - first.len()));
    }
    if scale.step_count > 1 {
        let gap = (margin + width).saturating_sub(axis.len() + last.len()).max(2);
        axis.push_str(&format!("{:gap$}{last}", ""));
    }
    axis + "\n"
}

fn legend(shape: &Shape, scale: TimeScale, points: &[Point]) -> String {
    let rest = match shape.is_whole {
        true => format!("; {} in all", amount_text(total(points))),
        false if is_shared(scale, points) => ", as high as its greatest row".to_owned(),
        false => String::new(),
    };
    format!("one column is {}{rest}\n", scale.step_name)
}

fn bars(shape: &Shape, points: &[Point], width: usize) -> String {
    let shown = &points[..points.len().min(MAX_ROWS)];
    let most = points.iter().map(|point| point.amount).fold(0.0, f64::max);
    let widest = shown.iter().map(|point| point.name.width()).max().unwrap_or(0);
    let names = widest.min(width * 2 / 5);
    let amounts = shown.iter().map(|point| amount_text(point.amount).width()).max().unwrap_or(0);
    let room = width.saturating_sub(names + amounts + 3).max(8);
    let mut text = format!("{}\n", shape.measure_name);
    for point in shown {
        let amount = amount_text(point.amount);
        let line = format!("{} {amount:>amounts$} {}", name(&point.name, names), bar(point.amount, most, room));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&left_out(points.len() - shown.len()));
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most the width of a terminal")]
fn bar(amount: f64, most: f64, room: usize) -> String {
    if amount <= 0.0 {
        return String::new();
    }
    let eighths = ((amount / most * (room * 8) as f64).round() as usize).max(1);
    let mut bar = "█".repeat(eighths / 8);
    bar.extend((!eighths.is_multiple_of(8)).then_some(BAR[eighths % 8]));
    bar
}

/// A line for each name, in the order in which the names come first; each on a scale of its own.
fn small_lines(shape: &Shape, points: &[Point], width: usize) -> String {
    let mut order: Vec<&str> = Vec::new();
    let mut of_name = std::collections::HashMap::<&str, Vec<&Point>>::new();
    for point in points {
        let points = of_name.entry(&point.name).or_default();
        if points.is_empty() {
            order.push(&point.name);
        }
        points.push(point);
    }
    let shown = &order[..order.len().min(MAX_ROWS)];
    let amounts = amount_text(total(points)).width().max("most".len());
    let widest = shown.iter().map(|name| name.width()).max().unwrap_or(0);
    let room = width.saturating_sub(widest.min(width * 2 / 5) + amounts + 3).max(8);
    let scale = scale(shape, points, room);
    // What the steps of time leave free is the names'.
    let names = widest.min(width.saturating_sub(scale.step_count + amounts + 3));
    let mut text = format!("{:names$} {:>amounts$} {}\n", "", "most", shape.measure_name);
    for shown_name in shown {
        let heights = heights(shape, scale, of_name[shown_name].iter().copied());
        let most = heights.iter().copied().fold(0.0, f64::max);
        let line: String = heights.iter().map(|height| small(*height, most)).collect();
        let line = format!("{} {:>amounts$} {line}", name(shown_name, names), amount_text(most));
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&left_out(order.len() - shown.len()));
    text.push_str(&time_axis(scale, names + amounts + 2, scale.step_count));
    text.push_str(&legend(shape, scale, points));
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 8 eighths")]
fn small(amount: f64, most: f64) -> char {
    if amount <= 0.0 { ' ' } else { COLUMN[((amount / most * 8.0).round() as usize).clamp(1, 8)] }
}

fn name(name: &str, width: usize) -> String {
    let name = cut(name, width);
    let gap = " ".repeat(width.saturating_sub(name.width()));
    format!("{name}{gap}")
}

fn left_out(count: usize) -> String {
    if count == 0 { String::new() } else { format!("… {count} more\n") }
}

fn scale(shape: &Shape, points: &[Point], room: usize) -> TimeScale {
    let times = || points.iter().map(|point| point.time);
    let (from, to) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    TimeScale::covering(from, to, room, shape.is_daily)
}

/// How high the column of each step is: counts are added up; of what may be an average or a share it is the greatest row.
fn heights<'a>(shape: &Shape, scale: TimeScale, points: impl Iterator<Item = &'a Point>) -> Vec<f64> {
    let mut heights = vec![0.0_f64; scale.step_count];
    points.for_each(|point| {
        let height = &mut heights[scale.index(point.time)];
        *height = if shape.is_whole { *height + point.amount } else { height.max(point.amount) };
    });
    heights
}

/// Whether a column stands for several rows.
fn is_shared(scale: TimeScale, points: &[Point]) -> bool {
    let mut taken = HashSet::new();
    points.iter().any(|point| !taken.insert((&point.name, scale.index(point.time))))
}

fn total(points: &[Point]) -> f64 {
    points.iter().map(|point| point.amount).sum()
}

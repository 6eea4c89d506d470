//! Which known names a mistyped one may have meant.
//!
//! A name is like another when few letters differ, when one holds the other, or when both are the same but for case and
//! underscores: `eventTime` is how CloudTrail spells `event_time`.

/// Names that are offered at most.
const OFFERED: usize = 3;
/// Characters that two names must share before one is taken for a part of the other.
const MIN_PART: usize = 3;
/// From here on names are not misspelt, but hold one another.
const PARTS: usize = 10;

/// The names most like `wrong`, best first; each once, at most three.
pub fn similar<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wrong = folded(wrong);
    let scored = names.into_iter().filter_map(|name| Some((unlikeness(&wrong, &folded(name))?, name)));
    let mut scored: Vec<_> = scored.collect();
    scored.sort_unstable();
    scored.dedup();
    // Beside a near miss, what is two letters further off was not meant.
    let furthest = scored.first().map_or(0, |(best, _)| if *best < PARTS { best + 1 } else { usize::MAX });
    scored
        .into_iter()
        .filter(|(unlikeness, _)| *unlikeness <= furthest)
        .take(OFFERED)
        .map(|(_, name)| name.to_owned())
        .collect()
}

fn folded(name: &str) -> String {
    name.chars().filter(|character| *character != '_').flat_map(char::to_lowercase).collect()
}

/// How unlike two folded names are, 0 for equal ones; none where they have nothing to do with each other.
fn unlikeness(wrong: &str, name: &str) -> Option<usize> {
    let (shorter, longer) = if wrong.len() < name.len() { (wrong, name) } else { (name, wrong) };
    let length = shorter.chars().count();
    let edits = strsim::osa_distance(wrong, name);
    let is_misspelt = edits <= (length / 3).clamp(1, 3) && length > 1;
    let is_part = length >= MIN_PART && longer.contains(shorter);
    match (is_misspelt, is_part) {
        (true, _) => Some(edits),
        // Behind every misspelling, the shortest name first.
        (false, true) => Some(PARTS + edits),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_alike_by_letters_parts_and_spelling() {
        let names = ["event_time", "event_name", "key_arn", "source_key_arn", "aws_region", "id"];
        for (wrong, expected) in [
            ("event_tiem", vec!["event_time"]),
            ("eventTime", vec!["event_time"]),
            ("key_arm", vec!["key_arn"]),
            ("region", vec!["aws_region"]),
            ("arn", vec!["key_arn", "source_key_arn"]),
            ("nonsense", vec![]),
            ("", vec![]),
            ("x", vec![]),
        ] {
            assert_eq!(similar(wrong, names), expected, "{wrong}");
        }
    }

    #[test]
    fn no_more_than_three_names_are_offered() {
        assert_eq!(similar("count", ["count_a", "count_b", "count_c", "count_d", "counts"]).len(), 3);
    }
}

//! Places in texts, marked with `|`, and what is offered there.

use std::sync::Arc;

use super::super::catalogue::Words;
use super::*;

struct Fixed;

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Known for Fixed {
    fn relations(&self) -> Vec<String> {
        owned(&["events", "kms_events", "kms_key_usage", "kms_keys"])
    }

    fn columns(&self, relation: &str) -> Words {
        Arc::new(owned(match relation {
            "kms_key_usage" => &["key_arn", "use_count", "last_used_time"],
            "kms_keys" => &["key_arn", "key_state", "key_spec"],
            _ => &["event_name", "event_time", "key_arn"],
        }))
    }

    fn all_columns(&self) -> Vec<String> {
        owned(&["event_name", "event_time", "use_count"])
    }

    fn functions(&self) -> Words {
        Arc::new(owned(&["key_id", "max_by", "upper"]))
    }

    fn event_names(&self) -> Words {
        Arc::new(owned(&["Decrypt", "DescribeKey", "Encrypt"]))
    }

    fn values_of(&self, column: &str) -> Words {
        Arc::new(owned(if column == "aws_region" { &["eu-west-1", "us-east-1"] } else { &[] }))
    }

    fn key_names(&self) -> Words {
        Arc::new(owned(&["alias/billing", "alias/logs", ARN]))
    }
}

/// What replaces the word at the `|`, as the text before it and the candidates.
fn offered(marked: &str) -> (String, Vec<String>) {
    let cursor = marked.find('|').expect("a place");
    let text = marked.replacen('|', "", 1);
    let (start, candidates) = complete(&Fixed, &text, cursor);
    (text[start..cursor].to_owned(), candidates)
}

#[track_caller]
fn assert_offers(marked: &str, typed: &str, candidates: &[&str]) {
    assert_eq!(offered(marked), (typed.to_owned(), owned(candidates)), "{marked}");
}

#[test]
fn relations_come_after_from_and_join() {
    assert_offers("select * from kms_k|", "kms_k", &["kms_key_usage", "kms_keys"]);
    assert_offers("select * from kms_keys join EV|", "EV", &["events"]);
    assert_offers("select * from kms_keys k, kms_e|", "kms_e", &["kms_events"]);
    assert_offers("with mine as (select 1) select * from mi|", "mi", &["mine"]);
    assert_eq!(offered("select * from |").1.len(), 4);
}

#[test]
fn columns_are_those_of_the_relations_in_the_statement() {
    assert_offers("select use|", "use", &["use_count"]);
    assert_offers("select key_| from kms_keys", "key_", &["key_arn", "key_id(", "key_spec", "key_state"]);
    assert_offers("select use_| from kms_keys", "use_", &[]);
    assert_offers("select 1; select key_s| from kms_keys; select 2", "key_s", &["key_spec", "key_state"]);
    assert_offers("select * from kms_keys k where k.key_s|", "key_s", &["key_state", "key_spec"]);
    assert_offers("select u.| from kms_key_usage as u", "", &["key_arn", "use_count", "last_used_time"]);
    assert_offers("select kms_keys.key_sp| from kms_keys", "key_sp", &["key_spec"]);
    assert_offers("select x.ke| from kms_keys k", "ke", &[]);
    let behind_where = offered("select * from kms_keys where |").1;
    assert!(behind_where.contains(&"key_spec".to_owned()), "{behind_where:?}");
}

#[test]
fn keywords_follow_the_case_of_what_is_typed() {
    assert_offers("sel|", "sel", &["select"]);
    assert_offers("SEL|", "SEL", &["SELECT"]);
    assert_offers("select ma|", "ma", &["max_by("]);
}

#[test]
fn values_come_inside_quotes() {
    assert_offers("select * from events where event_name = 'De|", "De", &["Decrypt'", "DescribeKey'"]);
    assert_offers("select * from events where event_name in ('Encrypt', 'dec|')", "dec", &["Decrypt"]);
    assert_offers("select * from kms_keys where key_arn = 'alias/b|", "alias/b", &["alias/billing'"]);
    assert_offers("select * from kms_keys where key_arn like '34cd|", "34cd", &[&format!("{ARN}'")]);
    assert_offers("select 'alias/|", "alias/", &["alias/billing'", "alias/logs'"]);
    assert_offers("select * from events where aws_region = '|", "", &["eu-west-1'", "us-east-1'"]);
    assert_offers("select * from events where aws_region in ('eu-west-1', 'us|", "us", &["us-east-1'"]);
    assert_offers("select * from events where event_time > '|", "", &[]);
    assert_offers("select 'a'|", "", &[]);
}

#[test]
fn commands_are_completed_with_their_arguments() {
    assert_offers("\\timi|", "\\timi", &["\\timing"]);
    assert_offers(".out|", ".out", &[".output"]);
    assert_offers("\\d kms_keys|", "kms_keys", &["kms_keys"]);
    assert_offers(".key alias/l|", "alias/l", &["alias/logs"]);
    assert_offers(".last a|", "a", &["all"]);
    assert_offers(".mode nd|", "nd", &["ndjson"]);
    assert_offers("\\x o|", "o", &["on", "off"]);
    assert_offers("\\h uni|", "uni", &["union"]);
    assert_offers("\\q |", "", &[]);
    assert_offers("select 1;\n\\timi|", "\\timi", &["\\timing"]);
}

#[test]
fn comments_and_empty_places_offer_nothing() {
    assert_offers("select 1 -- fro|", "", &[]);
    assert_offers("|", "", &[]);
    assert_offers("select 1 + |", "", &[]);
}

//! The rules that tell from an encryption context which AWS resource it protects: `sql/rules/context_rules.csv`, one
//! rule a line, and before them the user's own from a file of that name beside his views.
//!
//! ```text
//! context_key         name of the pair that a rule is about, exactly
//! value               what its value must look like, `*` for any characters; empty = anything
//! service             the AWS service, as in userIdentity.invokedBy; empty = none, the caller encrypts by himself
//! resource_kind       what kind of thing the resource is
//! resource            its name: {value}, {inner_arn} (the last ARN in the value), {other-name} (another pair's value)
//! is_call_per_object  true = one call, one object written or read; false = one call covers many; empty = not known
//! is_latent           true = data that lies for years between two calls: volumes, snapshots, backups, databases
//! ```
//!
//! Of the rules that fit a context the first one counts; one that names another pair fits only where that pair is there.
//! A context without a rule is named by its first `aws:` pair whose value is an ARN. This file knows no SQL.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use keytrail_events::kms::arn::Arn;

use crate::error::QueryError;
use crate::rules::glob::Glob;
use crate::rules::user_file;

/// The rules that are compiled in.
const BUILT_IN: &str = include_str!("../../../../sql/rules/context_rules.csv");
/// The file of the user's own rules, in the folder of his views.
const USER_FILE: &str = "context_rules.csv";
const HEADER: [&str; 7] =
    ["context_key", "value", "service", "resource_kind", "resource", "is_call_per_object", "is_latent"];

/// Name and value of a context's pair.
type Pair<'a> = (&'a str, Option<&'a str>);

/// All rules of a session, in the order in which they are tried.
#[derive(Debug)]
pub(crate) struct ContextRules {
    rules: Vec<ContextRule>,
    /// Positions of the rules about a name, ascending.
    by_name: HashMap<String, Vec<usize>>,
    /// The text of the user's own rules; empty = none.
    user_text: String,
}

/// One line of the table.
#[derive(Debug)]
struct ContextRule {
    context_key: String,
    value: Option<Glob>,
    service: Option<String>,
    resource_kind: String,
    resource: Vec<Piece>,
    is_call_per_object: Option<bool>,
    is_latent: bool,
}

/// A part of a resource's name.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Value,
    InnerArn,
    Other(String),
}

/// What a context protects.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ContextResource<'a> {
    /// The AWS service; none = the caller's own encryption.
    pub(crate) service: Option<Cow<'a, str>>,
    /// The kind of resource.
    pub(crate) resource_kind: &'a str,
    /// Its name; none = the context does not tell which one.
    pub(crate) resource: Option<Cow<'a, str>>,
    /// Whether one call stands for one object; none = not known.
    pub(crate) is_call_per_object: Option<bool>,
    /// Whether the data may lie for years between two calls.
    pub(crate) is_latent: bool,
}

impl ContextRules {
    /// The compiled-in rules, after those of the folder with the user's views.
    ///
    /// # Errors
    /// When the user's file cannot be read or is no table of rules.
    pub(crate) fn load(views_dir: Option<&Path>) -> Result<Self, QueryError> {
        let (mut rules, mut user_text) = (Vec::new(), String::new());
        if let Some((path, text)) = user_file(views_dir, USER_FILE)? {
            rules = parse(&text).map_err(|reason| QueryError::RulesFile { path, reason })?;
            user_text = text;
        }
        rules.extend(parse(BUILT_IN).expect("the compiled-in rules are checked by this file's tests"));
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, rule) in rules.iter().enumerate() {
            by_name.entry(rule.context_key.clone()).or_default().push(position);
        }
        Ok(Self { rules, by_name, user_text })
    }

    /// The text of the user's own rules; empty = none.
    pub(crate) fn user_text(&self) -> &str {
        &self.user_text
    }

    /// What a context protects; none = nothing that a rule or an ARN tells.
    pub(crate) fn resource<'a>(&'a self, pairs: impl Iterator<Item = Pair<'a>> + Clone) -> Option<ContextResource<'a>> {
        let fits = |position: usize, value: &str| self.rules[position].fits(value, &pairs);
        let first_of = |(name, value): Pair<'a>| {
            let (positions, value) = (self.by_name.get(name)?, value?);
            positions.iter().find(|position| fits(**position, value)).map(|position| (*position, value))
        };
        match pairs.clone().filter_map(first_of).min() {
            Some((position, value)) => Some(self.rules[position].resource_of(value, &pairs)),
            None => pairs.filter(|(name, _)| name.starts_with("aws:")).find_map(|(_, value)| by_arn(value?)),
        }
    }
}

impl ContextRule {
    fn fits<'a>(&self, value: &str, pairs: &(impl Iterator<Item = Pair<'a>> + Clone)) -> bool {
        let has_other = |piece: &Piece| match piece {
            Piece::Other(other) => value_of(pairs.clone(), other).is_some(),
            _ => true,
        };
        self.value.as_ref().is_none_or(|glob| glob.matches(value)) && self.resource.iter().all(has_other)
    }

    fn resource_of<'a>(
        &'a self,
        value: &'a str,
        pairs: &(impl Iterator<Item = Pair<'a>> + Clone),
    ) -> ContextResource<'a> {
        let text_of = |piece: &'a Piece| match piece {
            Piece::Literal(text) => text.as_str(),
            Piece::Value => value,
            Piece::InnerArn => value.rfind("arn:").map_or(value, |start| &value[start..]),
            Piece::Other(other) => value_of(pairs.clone(), other).unwrap_or_default(),
        };
        let resource = match self.resource.as_slice() {
            [piece] => Cow::Borrowed(text_of(piece)),
            pieces => Cow::Owned(pieces.iter().map(text_of).collect()),
        };
        ContextResource {
            service: self.service.as_deref().map(Cow::Borrowed),
            resource_kind: &self.resource_kind,
            resource: Some(resource).filter(|text| !text.is_empty()),
            is_call_per_object: self.is_call_per_object,
            is_latent: self.is_latent,
        }
    }
}

fn value_of<'a>(mut pairs: impl Iterator<Item = Pair<'a>>, name: &str) -> Option<&'a str> {
    pairs.find(|(other, _)| *other == name)?.1
}

/// A service that no rule knows names its resource by an ARN all the same.
fn by_arn(value: &str) -> Option<ContextResource<'_>> {
    let Arn { service, resource, .. } = Arn::parse(value)?;
    let kind = resource.split_once(['/', ':']).map_or("resource", |(kind, _)| kind);
    Some(ContextResource {
        service: Some(Cow::Owned(format!("{service}.amazonaws.com"))),
        resource_kind: kind,
        resource: Some(Cow::Borrowed(value)),
        is_call_per_object: None,
        is_latent: false,
    })
}

/// Reads a table of rules; the error is what is wrong with it.
fn parse(text: &str) -> Result<Vec<ContextRule>, String> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let header: Vec<_> = lines.next().map(|(_, line)| line.split(',').map(str::trim).collect()).unwrap_or_default();
    if header != HEADER {
        return Err(format!("the first line is not `{}`", HEADER.join(",")));
    }
    lines.map(|(index, line)| parse_rule(line).map_err(|reason| format!("line {}: {reason}", index + 1))).collect()
}

fn parse_rule(line: &str) -> Result<ContextRule, String> {
    let fields: Vec<_> = line.split(',').map(str::trim).collect();
    let Ok([context_key, value, service, resource_kind, resource, is_call_per_object, is_latent]) =
        <[&str; HEADER.len()]>::try_from(fields)
    else {
        return Err(format!("a rule has {} fields, none with a comma in it", HEADER.len()));
    };
    if context_key.is_empty() || resource_kind.is_empty() {
        return Err("a rule has a context_key and a resource_kind".to_owned());
    }
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Ok(ContextRule {
        context_key: context_key.to_owned(),
        value: filled(value).map(|glob| Glob::new(&glob)),
        service: filled(service),
        resource_kind: resource_kind.to_owned(),
        resource: pieces(resource)?,
        is_call_per_object: truth(is_call_per_object)?,
        is_latent: truth(is_latent)?.unwrap_or(false),
    })
}

fn truth(text: &str) -> Result<Option<bool>, String> {
    match text {
        "" => Ok(None),
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        other => Err(format!("neither true nor false nor empty: {other}")),
    }
}

/// The parts of `{cluster}/{value}`.
fn pieces(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((literal, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("no `}}` in {template}"))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.to_owned()));
        }
        pieces.push(match name {
            "value" => Piece::Value,
            "inner_arn" => Piece::InnerArn,
            other => Piece::Other(other.to_owned()),
        });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(rest.to_owned()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(rules: &ContextRules, pairs: &[(&str, &str)]) -> Option<String> {
        let mut pairs = pairs.to_vec();
        pairs.sort_unstable();
        let found = rules.resource(pairs.into_iter().map(|(name, value)| (name, Some(value))))?;
        let truth = |value: Option<bool>| value.map_or("?", |value| if value { "yes" } else { "no" });
        let latent = if found.is_latent { " latent" } else { "" };
        let service = found.service.as_deref().map_or("-", |service| service.trim_end_matches(".amazonaws.com"));
        let resource = found.resource.as_deref().unwrap_or("-");
        Some(format!("{service} {} {resource} {}{latent}", found.resource_kind, truth(found.is_call_per_object)))
    }

    #[test]
    fn each_rule_is_well_formed_and_stands_once() {
        let rules = parse(BUILT_IN).expect("a table of rules");
        assert!(rules.len() >= 60, "{}", rules.len());
        let mut names: Vec<_> =
            rules.iter().map(|rule| (&rule.context_key, rule.value.as_ref().map(Glob::as_str))).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rules.len());
    }

    #[test]
    fn item_48_contexts_name_their_resource() {
        let rules = ContextRules::load(None).expect("the compiled-in rules");
        let express = "arn:aws:s3express:us-east-1:111122223333:bucket/arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3";
        type Case<'c> = (&'c [(&'c str, &'c str)], Option<&'c str>);
        let cases: &[Case<'_>] = &[
            (&[("aws:s3:arn", "arn:aws:s3:::bucket/key/x")], Some("s3 object arn:aws:s3:::bucket/key/x yes")),
            (&[("aws:s3:arn", "arn:aws:s3:::bucket"), ("team", "a")], Some("s3 bucket arn:aws:s3:::bucket no")),
            (
                &[("aws:s3:arn", "arn:aws:s3tables:us-east-1:111122223333:bucket/b/table/1")],
                Some("s3tables table arn:aws:s3tables:us-east-1:111122223333:bucket/b/table/1 no"),
            ),
            (
                &[("aws:s3express:arn", express)],
                Some("s3express directory_bucket arn:aws:s3express:us-east-1:111122223333:bucket/b--use1-az4--x-s3 no"),
            ),
            (
                &[("aws:s3:arn", "arn:aws:s3:::logs/AWSLogs/x.gz"), ("aws:cloudtrail:arn", "arn:t")],
                Some("cloudtrail trail arn:t yes"),
            ),
            (&[("aws:ebs:id", "vol-1")], Some("ec2 volume vol-1 no latent")),
            (&[("aws:ebs:id", "snap-1")], Some("ec2 snapshot snap-1 no latent")),
            (&[("aws:ebs:id", "vol-1"), ("aws:rds:db-id", "db-1")], Some("rds database db-1 no latent")),
            (
                &[("aws:pi:service", "rds"), ("service", "pi"), ("aws:rds:db-id", "db-1")],
                Some("pi performance_insights db-1 no"),
            ),
            (&[("aws:cassandra:keyspaceName", "k"), ("aws:cassandra:tableName", "t")], Some("cassandra table k.t no")),
            (&[("aws:cassandra:keyspaceName", "k")], Some("cassandra keyspace k no")),
            (&[("service", "elastictranscoder.amazonaws.com")], Some("elastictranscoder job - ?")),
            (&[("service", "mine")], None),
            (&[("aws-crypto-public-key", "A1")], Some("- client_encrypted_message - ?")),
            (
                &[("aws:new:arn", "arn:aws:new:us-east-1:111122223333:thing/1")],
                Some("new thing arn:aws:new:us-east-1:111122223333:thing/1 ?"),
            ),
            (&[("mine", "arn:aws:new:us-east-1:111122223333:thing/1")], None),
            (&[("tenant", "a")], None),
            (&[], None),
        ];
        for (pairs, expected) in cases {
            assert_eq!(found(&rules, pairs).as_deref(), *expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_users_rules_come_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let own = format!(
            "{}\ntenant,t-*,,tenant,{{stage}}/{{value}},true,true\naws:ebs:id,,,disk,{{value}},,\n",
            HEADER.join(",")
        );
        fs_err::write(folder.path().join(USER_FILE), own).expect("written");
        let rules = ContextRules::load(Some(folder.path())).expect("rules");
        let case = |pairs: &[(&str, &str)]| found(&rules, pairs);
        assert_eq!(case(&[("stage", "prod"), ("tenant", "t-1")]).as_deref(), Some("- tenant prod/t-1 yes latent"));
        assert_eq!(case(&[("tenant", "t-1")]), None, "a pair that the rule names is missing");
        assert_eq!(case(&[("stage", "prod"), ("tenant", "x")]), None);
        assert_eq!(case(&[("aws:ebs:id", "vol-1")]).as_deref(), Some("- disk vol-1 ?"));
        for bad in ["a,b", "tenant,,,kind,{value,,", "tenant,,,kind,,perhaps,", ",,,kind,,,"] {
            fs_err::write(folder.path().join(USER_FILE), format!("{}\n{bad}\n", HEADER.join(","))).expect("written");
            let error = ContextRules::load(Some(folder.path())).expect_err(bad);
            assert!(matches!(error, QueryError::RulesFile { .. }), "{error:?}");
        }
    }
}

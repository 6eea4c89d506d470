//! The accounts, keys, principals and resources of a trail: everything that exists before the first event.
//!
//! It decides what there is and until when a key works; it writes no event.

use super::config::{TrailConfig, TrailFacts};
use super::lives;
use super::random::Random;
use chrono::DateTime;

const DAY: i64 = 86_400;

/// What a key is for; decides which events touch it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// S3 objects, one call per object.
    S3Object,
    /// S3 with a bucket key.
    S3Bucket,
    Ebs,
    Rds,
    Secrets,
    SecretsManaged,
    SsmManaged,
    Ssm,
    Lambda,
    Logs,
    DynamoDb,
    Queues,
    CloudTrail,
    /// The application's own calls with its own contexts.
    App,
    /// AWS Encryption SDK.
    Sdk,
    SignRsa,
    SignEcc,
    Mac,
    Agreement,
    Encapsulation,
    /// Owned by account 0 and used by the others.
    Shared,
    /// Created, administered, never used.
    NeverUsed,
    /// In use until some day, then never again.
    Silent,
    /// Disabled within the window, still asked for.
    Disabled,
    /// Deleted within the window, still asked for.
    Deleted,
    /// Used about once a month.
    Rare,
    /// Imported material.
    Imported,
    /// In a custom key store.
    KeyStore,
    /// Its life is told in full; nothing else uses it.
    Life,
}

/// How many keys of each purpose an account has in each region, with the start of their alias.
const KEYS_PER_PLACE: &[(Purpose, usize, &str)] = &[
    (Purpose::S3Object, 3, "s3-data"),
    (Purpose::S3Bucket, 2, "s3-lake"),
    (Purpose::Ebs, 1, "ebs-default"),
    (Purpose::Rds, 1, "rds"),
    (Purpose::Secrets, 1, "secrets"),
    (Purpose::SecretsManaged, 1, "aws/secretsmanager"),
    (Purpose::SsmManaged, 1, "aws/ssm"),
    (Purpose::Ssm, 1, "parameters"),
    (Purpose::Lambda, 1, "aws/lambda"),
    (Purpose::Logs, 1, "logs"),
    (Purpose::DynamoDb, 1, "tables"),
    (Purpose::Queues, 1, "queues"),
    (Purpose::CloudTrail, 1, "cloudtrail"),
    (Purpose::App, 3, "app"),
    (Purpose::Sdk, 1, "esdk-wrapping"),
    (Purpose::SignRsa, 1, "document-signing"),
    (Purpose::SignEcc, 1, "token-signing"),
    (Purpose::Mac, 1, "session-mac"),
    (Purpose::Agreement, 1, "agreement"),
    (Purpose::Encapsulation, 1, "kem"),
];

/// Keys of the stories: they stand in the story's place only.
const STORY_KEYS: &[(Purpose, usize, &str)] = &[
    (Purpose::NeverUsed, 3, "migration-2024"),
    (Purpose::Silent, 1, "legacy-billing-export"),
    (Purpose::Disabled, 1, "orders-archive"),
    (Purpose::Deleted, 1, "old-reports"),
    (Purpose::Rare, 1, "month-end-close"),
    (Purpose::Imported, 1, "byok-payments"),
    (Purpose::KeyStore, 1, "hsm-backed"),
];

/// One KMS key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) arn: String,
    pub(crate) id: String,
    /// `alias/…`
    pub(crate) alias: String,
    pub(crate) alias_arn: String,
    pub(crate) account: usize,
    pub(crate) purpose: Purpose,
    /// Ids of the key material, old and current.
    pub(crate) materials: [String; 2],
    /// From here on the second material encrypts.
    pub(crate) rotated: i64,
}

/// Why a call with a key fails at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocked {
    Disabled,
    PendingDeletion,
    Deleted,
}

/// Where an account's principal gets its credentials from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PrincipalKind {
    Role,
    InstanceRole,
    FunctionRole,
    SsoRole,
    User,
    Root,
    Federated,
    IdentityCenter,
}

/// Someone who calls.
#[derive(Debug)]
pub(crate) struct Principal {
    pub(crate) kind: PrincipalKind,
    /// Role or user name.
    pub(crate) name: String,
    /// `AROA…`, `AIDA…` or the account id.
    pub(crate) id: String,
    pub(crate) session: String,
    pub(crate) address: String,
    pub(crate) agent: &'static str,
    /// Sets the session credentials of this principal apart from those of others.
    pub(crate) seed: u64,
}

/// What an account has in a region.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) account: usize,
    pub(crate) region: usize,
    pub(crate) buckets: Vec<String>,
    pub(crate) lake_buckets: Vec<String>,
    pub(crate) functions: Vec<String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) parameters: Vec<String>,
    pub(crate) log_groups: Vec<String>,
    pub(crate) tables: Vec<String>,
    pub(crate) queues: Vec<String>,
    pub(crate) volumes: Vec<String>,
    pub(crate) instances: Vec<String>,
    pub(crate) databases: Vec<String>,
    pub(crate) vpc_endpoint: String,
    /// Indices into [`World::keys`].
    keys: Vec<usize>,
}

/// An account and who calls from it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) roles: Vec<Principal>,
    pub(crate) people: Vec<Principal>,
}

/// Everything that exists.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) partition: &'static str,
    pub(crate) regions: Vec<String>,
    pub(crate) accounts: Vec<Account>,
    /// By account, then region.
    pub(crate) places: Vec<Place>,
    pub(crate) keys: Vec<Key>,
    /// The place that the stories happen in.
    pub(crate) story_place: usize,
    pub(crate) silent_since: i64,
    pub(crate) disabled: i64,
    pub(crate) deletion_scheduled: i64,
    pub(crate) deleted: i64,
    /// Keys whose lives are told in full, as indices into `keys`.
    pub(crate) lives: Vec<usize>,
    pub(crate) life_seed: u64,
}

const STREAM_WORLD: u64 = 1;
const STREAM_LIVES: u64 = 9;

impl World {
    pub(crate) fn new(config: &TrailConfig) -> Self {
        let mut random = Random::of(config.seed, STREAM_WORLD, 0);
        let (start, end) = (config.start.timestamp(), config.end().timestamp());
        let part = |percent: i64| start + (end - start) / 100 * percent;
        let mut world = Self {
            start,
            end,
            partition: partition_of(config.regions.first().map_or("", String::as_str)),
            regions: if config.regions.is_empty() { vec!["us-east-1".to_owned()] } else { config.regions.clone() },
            accounts: (0..config.account_count.max(1)).map(|index| account(&mut random, index)).collect(),
            places: Vec::new(),
            keys: Vec::new(),
            story_place: 0,
            silent_since: part(35),
            disabled: part(55),
            deletion_scheduled: part(75),
            deleted: part(30),
            lives: Vec::new(),
            life_seed: config.seed,
        };
        world.story_place = world.place_index(1 % world.accounts.len(), 0);
        world.settle(&mut random);
        if config.key_lives {
            world.add_lives();
        }
        world
    }

    /// Drawn from a stream of their own, so that the rest of the world stays as it is without them.
    fn add_lives(&mut self) {
        let mut random = Random::of(self.life_seed, STREAM_LIVES, 0);
        let place = self.story_place;
        for number in 0..8 {
            let is_family = number == lives::number::PRIMARY;
            let key = self.new_key(&mut random, place, Purpose::Life, &format!("alias/life-{number}"), is_family);
            self.lives.push(self.keys.len());
            self.keys.push(key);
        }
        if let Some(region) = self.regions.get(1) {
            let mut replica = self.new_key(&mut random, place + 1, Purpose::Life, "alias/life-replica", true);
            let primary = self.life_key(lives::number::PRIMARY);
            replica.id.clone_from(&primary.id);
            replica.arn = primary.arn.replacen(&self.regions[0], region, 1);
            self.lives.push(self.keys.len());
            self.keys.push(replica);
        }
    }

    /// A key whose life is told in full.
    pub(crate) fn life_key(&self, number: usize) -> &Key {
        &self.keys[self.lives[number]]
    }

    /// Fills every account and region with resources and keys.
    fn settle(&mut self, random: &mut Random) {
        for account in 0..self.accounts.len() {
            for region in 0..self.regions.len() {
                let place = self.new_place(random, account, region);
                self.places.push(place);
                self.add_keys(random, KEYS_PER_PLACE);
                if account == 0 {
                    self.add_keys(random, &[(Purpose::Shared, 2, "shared-artifacts")]);
                }
                if self.places.len() - 1 == self.story_place {
                    self.add_keys(random, STORY_KEYS);
                }
            }
        }
    }

    fn add_keys(&mut self, random: &mut Random, wanted: &[(Purpose, usize, &str)]) {
        for &(purpose, count, alias) in wanted {
            for number in 1..=count {
                let alias = alias_name(alias, number, count);
                let is_family = purpose == Purpose::Shared || alias.ends_with("app-3");
                let key = self.new_key(random, self.places.len() - 1, purpose, &alias, is_family);
                if let Some(place) = self.places.last_mut() {
                    place.keys.push(self.keys.len());
                }
                self.keys.push(key);
            }
        }
    }

    fn new_key(&self, random: &mut Random, place: usize, purpose: Purpose, alias: &str, is_family: bool) -> Key {
        let place = &self.places[place];
        let id = if is_family { format!("mrk-{}", random.hex(32)) } else { random.uuid() };
        let prefix =
            format!("arn:{}:kms:{}:{}:", self.partition, self.regions[place.region], self.accounts[place.account].id);
        Key {
            arn: format!("{prefix}key/{id}"),
            alias_arn: format!("{prefix}{alias}"),
            alias: alias.to_owned(),
            id,
            account: place.account,
            purpose,
            materials: [random.hex(64), random.hex(64)],
            rotated: self.start + (self.end - self.start) / 100 * (40 + random.seconds(30)),
        }
    }

    fn new_place(&self, random: &mut Random, account: usize, region: usize) -> Place {
        let id = &self.accounts[account].id;
        let region_name = &self.regions[region];
        let arn = |service: &str, rest: &str| format!("arn:{}:{service}:{region_name}:{id}:{rest}", self.partition);
        let many = |count: usize, make: &mut dyn FnMut(usize) -> String| (0..count).map(make).collect::<Vec<_>>();
        let short = &id[8..];
        Place {
            account,
            region,
            buckets: many(6, &mut |n| {
                format!(
                    "acme-{}-{short}-{region_name}",
                    ["orders", "media", "exports", "backups", "invoices", "uploads"][n]
                )
            }),
            lake_buckets: many(3, &mut |n| {
                format!("acme-{}-{short}-{region_name}", ["lake-raw", "lake-curated", "feature-store"][n])
            }),
            functions: many(8, &mut |n| {
                arn(
                    "lambda",
                    &format!(
                        "function:{}",
                        ["checkout", "resize", "notify", "ingest", "authorizer", "billing", "search-sync", "cleanup"]
                            [n]
                    ),
                )
            }),
            secrets: many(10, &mut |n| {
                arn(
                    "secretsmanager",
                    &format!(
                        "secret:prod/{}-{}",
                        ["db", "redis", "stripe", "smtp", "oauth", "kafka", "ldap", "github", "datadog", "pager"][n],
                        random.alphanumeric(6)
                    ),
                )
            }),
            parameters: many(12, &mut |n| arn("ssm", &format!("parameter/prod/service-{n:02}/config"))),
            log_groups: many(8, &mut |n| {
                arn(
                    "logs",
                    &format!(
                        "log-group:/aws/lambda/{}",
                        ["checkout", "resize", "notify", "ingest", "authorizer", "billing", "search-sync", "cleanup"]
                            [n]
                    ),
                )
            }),
            tables: many(5, &mut |n| ["orders", "customers", "sessions", "inventory", "events"][n].to_owned()),
            queues: many(4, &mut |n| arn("sqs", ["orders", "mail", "thumbnails", "dead-letters"][n])),
            volumes: many(24, &mut |_| format!("vol-0{}", random.hex(16))),
            instances: many(12, &mut |_| format!("i-0{}", random.hex(16))),
            databases: many(4, &mut |_| random.base32("db-", 26)),
            vpc_endpoint: format!("vpce-0{}", random.hex(16)),
            keys: Vec::new(),
        }
    }

    pub(crate) fn place_index(&self, account: usize, region: usize) -> usize {
        account * self.regions.len() + region
    }

    /// The keys of a purpose in a place, most used first.
    pub(crate) fn keys_for(&self, place: usize, purpose: Purpose) -> impl Iterator<Item = &Key> {
        self.places[place].keys.iter().map(|index| &self.keys[*index]).filter(move |key| key.purpose == purpose)
    }

    /// The `number`-th key of a purpose, counted round.
    pub(crate) fn key(&self, place: usize, purpose: Purpose, number: usize) -> &Key {
        let count = self.keys_for(place, purpose).count().max(1);
        self.keys_for(place, purpose).nth(number % count).unwrap_or(&self.keys[0])
    }

    /// A key of the stories.
    pub(crate) fn story_key(&self, purpose: Purpose, number: usize) -> &Key {
        self.key(self.story_place, purpose, number)
    }

    pub(crate) fn account_id(&self, account: usize) -> &str {
        &self.accounts[account].id
    }

    /// Why a call with this key fails at that moment; none = it works.
    pub(crate) fn blocked(&self, key: &Key, time: i64) -> Option<Blocked> {
        match key.purpose {
            Purpose::Disabled if time >= self.deletion_scheduled => Some(Blocked::PendingDeletion),
            Purpose::Disabled if time >= self.disabled => Some(Blocked::Disabled),
            Purpose::Deleted if time >= self.deleted => Some(Blocked::Deleted),
            Purpose::Deleted if time >= self.deleted - 7 * DAY => Some(Blocked::PendingDeletion),
            _ => None,
        }
    }

    pub(crate) fn facts(&self) -> TrailFacts {
        let moment = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let arn = |purpose| self.story_key(purpose, 0).arn.clone();
        TrailFacts {
            busiest_key: arn(Purpose::S3Object),
            silent_key: arn(Purpose::Silent),
            silent_since: moment(self.silent_since),
            never_used_keys: self.keys_for(self.story_place, Purpose::NeverUsed).map(|key| key.arn.clone()).collect(),
            disabled_key: arn(Purpose::Disabled),
            disabled_time: moment(self.disabled),
            deletion_scheduled_time: moment(self.deletion_scheduled),
            deleted_key: arn(Purpose::Deleted),
            deleted_time: moment(self.deleted),
            cross_account_key: self.key(0, Purpose::Shared, 0).arn.clone(),
            rarely_used_key: arn(Purpose::Rare),
            life_keys: (0..self.lives.len()).map(|number| self.life_key(number).arn.clone()).collect(),
            account_ids: self.accounts.iter().map(|account| account.id.clone()).collect(),
        }
    }
}

/// The ARN partition of a region.
fn partition_of(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

fn alias_name(alias: &str, number: usize, count: usize) -> String {
    if count == 1 { format!("alias/{alias}") } else { format!("alias/{alias}-{number}") }
}

/// Account ids keep leading zeros; account 2 has two of them, always.
fn account(random: &mut Random, index: usize) -> Account {
    let id =
        if index == 2 { format!("00{}", random.digits(10)) } else { format!("{}{}", 1 + index % 9, random.digits(11)) };
    Account { roles: roles(random), people: people(random, &id), id }
}

const SERVICE_AGENTS: [&str; 5] = [
    "aws-sdk-java/2.30.22 md/io#async md/http#AwsCommonRuntime ua/2.1 os/Linux#6.1.128-136.201.amzn2023.x86_64 lang/java#21.0.6 md/OpenJDK_64-Bit_Server_VM#21.0.6+7-LTS md/vendor#Amazon.com_Inc. md/en_US exec-env/AWS_ECS_FARGATE cfg/retry-mode#standard",
    "Boto3/1.37.11 md/Botocore#1.37.11 ua/2.1 os/linux#5.10.234-225.921.amzn2.x86_64 md/arch#x86_64 lang/python#3.12.9 md/pyimpl#CPython exec-env/AWS_Lambda_python3.12 cfg/retry-mode#legacy Botocore/1.37.11",
    "aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.24.1 md/GOOS#linux md/GOARCH#arm64 api/kms#1.38.1 m/E",
    "aws-sdk-js/3.758.0 ua/2.1 os/linux#6.1.119 lang/js md/nodejs#22.14.0 api/kms#3.758.0 exec-env/AWS_Lambda_nodejs22.x m/E,b",
    "amazon-ssm-agent/3.3.1611.0 aws-sdk-go/1.55.5 (go1.22.9; linux; amd64)",
];

const PEOPLE_AGENTS: [&str; 4] = [
    "aws-cli/2.24.20 md/awscrt#0.23.8 ua/2.1 os/macos#24.3.0 md/arch#arm64 lang/python#3.12.9 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#kms.list-keys",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
    "APN/1.0 HashiCorp/1.0 Terraform/1.11.2 (+https://www.terraform.io) terraform-provider-aws/5.91.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.36.3 ua/2.1 os/linux lang/go#1.23.6",
    "AWS Internal",
];

fn roles(random: &mut Random) -> Vec<Principal> {
    const NAMES: [(&str, PrincipalKind); 12] = [
        ("orders-service-task", PrincipalKind::Role),
        ("checkout-function-role", PrincipalKind::FunctionRole),
        ("eks-node-group-role", PrincipalKind::InstanceRole),
        ("etl-glue-role", PrincipalKind::Role),
        ("media-service-task", PrincipalKind::Role),
        ("ingest-function-role", PrincipalKind::FunctionRole),
        ("batch-worker-role", PrincipalKind::InstanceRole),
        ("ci-deployer", PrincipalKind::Role),
        ("billing-function-role", PrincipalKind::FunctionRole),
        ("monitoring-reader", PrincipalKind::Role),
        ("bastion-role", PrincipalKind::InstanceRole),
        ("month-end-job", PrincipalKind::Role),
    ];
    NAMES.iter().map(|&(name, kind)| new_role(random, name, kind)).collect()
}

fn new_role(random: &mut Random, name: &str, kind: PrincipalKind) -> Principal {
    let session = match kind {
        PrincipalKind::InstanceRole => format!("i-0{}", random.hex(16)),
        PrincipalKind::FunctionRole => name.trim_end_matches("-function-role").to_owned(),
        _ => random.hex(32),
    };
    Principal {
        kind,
        name: name.to_owned(),
        id: random.base32("AROA", 17),
        session,
        address: format!("10.{}.{}.{}", random.below(32), random.below(256), 1 + random.below(254)),
        agent: SERVICE_AGENTS[random.index(SERVICE_AGENTS.len())],
        seed: random.next(),
    }
}

fn people(random: &mut Random, account_id: &str) -> Vec<Principal> {
    const NAMES: [(&str, PrincipalKind); 8] = [
        ("AWSReservedSSO_AdministratorAccess_8d1f0a3b5c7e9f21", PrincipalKind::SsoRole),
        ("AWSReservedSSO_ReadOnlyAccess_4b2a6c8d0e1f3a57", PrincipalKind::SsoRole),
        ("terraform", PrincipalKind::User),
        ("backup-operator", PrincipalKind::User),
        ("AWSReservedSSO_PowerUserAccess_90aa17bd22ce43f5", PrincipalKind::SsoRole),
        ("auditor", PrincipalKind::Federated),
        ("analyst", PrincipalKind::IdentityCenter),
        ("root", PrincipalKind::Root),
    ];
    const SESSIONS: [&str; 4] =
        ["jo.meier@example.com", "sam.ito@example.com", "alex.roy@example.com", "kim.osei@example.com"];
    NAMES
        .iter()
        .map(|&(name, kind)| Principal {
            kind,
            name: name.to_owned(),
            id: match kind {
                PrincipalKind::Root => account_id.to_owned(),
                PrincipalKind::User => random.base32("AIDA", 17),
                _ => random.base32("AROA", 17),
            },
            session: (*random.pick(&SESSIONS)).to_owned(),
            address: format!("203.0.113.{}", 1 + random.below(254)),
            agent: PEOPLE_AGENTS[random.index(PEOPLE_AGENTS.len())],
            seed: random.next(),
        })
        .collect()
}

//! Whole lives of a few keys, for what is rebuilt from many events: aliases that move, grants that end, policies that are
//! replaced, material that is imported and lost, a multi-Region family whose primary moves, deletions scheduled and cancelled.
//!
//! Only told where [`super::TrailConfig::key_lives`] asks for it; the keys are used by nothing else. What must come out of it
//! is checked by the tests of the oracle.

use super::json::java_time_text;
use super::random::Random;
use super::scene::{KeyReference, Scene};
use super::story::{Scripted, Step};
use super::world::{Key, World};

/// The keys, by number: what [`World::lives`] holds.
pub(crate) mod number {
    /// Has an alias that moves to `OTHER` and back.
    pub(crate) const ALIASED: usize = 0;
    pub(crate) const OTHER: usize = 1;
    /// Made with the default policy, which is replaced three times, once by a broken text.
    pub(crate) const POLICIES: usize = 2;
    pub(crate) const IMPORTED: usize = 3;
    /// Has grants, and is deleted with one of them live.
    pub(crate) const GRANTS: usize = 4;
    pub(crate) const PRIMARY: usize = 5;
    /// Disabled without an event that says so.
    pub(crate) const SILENTLY_DISABLED: usize = 6;
    /// Told by records without response, as before December 2022.
    pub(crate) const OLD: usize = 7;
    /// The replica of `PRIMARY` in the second region.
    pub(crate) const REPLICA: usize = 8;
}

/// What happens in a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    Create(usize),
    /// CreateAlias, UpdateAlias or DeleteAlias of the first key's alias, with the key that it stands for.
    Alias(&'static str, usize),
    /// A call that names the first key's alias and is served by this key.
    UseAlias(usize),
    Use(usize),
    Fail(usize),
    /// One of three texts.
    Policy(usize),
    Grant(u64),
    RetriedGrant(u64),
    DryRunGrant(u64),
    DeniedGrant(u64),
    Retire(u64),
    Revoke(u64),
    Import,
    Expire,
    DeleteMaterial,
    /// A management call whose only parameter is the key.
    Plain(&'static str, usize),
    Schedule(usize, i64),
    Delete(usize),
    Replicate,
    MovePrimary,
    /// KMS's own event in the new primary region.
    PrimaryMoved,
}

const DAY: i64 = 86_400;

/// Adds the lives to the script.
pub(crate) fn tell(world: &World, script: &mut Vec<Scripted>) {
    if world.lives.is_empty() {
        return;
    }
    let mut random = Random::of(world.life_seed, 9, 1);
    tell_aliases(world, script, &mut random);
    tell_policies(world, script);
    tell_material(world, script);
    tell_grants(world, script, &mut random);
    tell_family(world, script, &mut random);
    tell_states(world, script, &mut random);
}

/// Adds steps one minute apart.
fn at(world: &World, script: &mut Vec<Scripted>, percent: i64, steps: &[Life]) {
    let time = world.start + (world.end - world.start) / 100 * percent;
    script.extend((0..).zip(steps).map(|(minute, life)| Scripted {
        time: time + minute * 60,
        place: world.story_place,
        step: Step::Life(*life),
    }));
}

fn tell_aliases(world: &World, script: &mut Vec<Scripted>, random: &mut Random) {
    let (one, other) = (number::ALIASED, number::OTHER);
    at(world, script, 5, &[Life::Create(one), Life::Create(other), Life::Alias("CreateAlias", one)]);
    at(world, script, 7, &[Life::UseAlias(one)]);
    let moves = 2 + i64::try_from(random.below(3)).unwrap_or(0);
    let (mut target, mut before) = (other, one);
    for turn in 0..moves {
        // For a minute the old target still answers.
        at(world, script, 20 + 12 * turn, &[Life::Alias("UpdateAlias", target), Life::UseAlias(before)]);
        at(world, script, 22 + 12 * turn, &[Life::UseAlias(target)]);
        (target, before) = (before, target);
    }
    at(world, script, 90, &[Life::Alias("DeleteAlias", before)]);
    at(world, script, 93, &[Life::Alias("CreateAlias", before)]);
}

fn tell_policies(world: &World, script: &mut Vec<Scripted>) {
    at(world, script, 10, &[Life::Create(number::POLICIES)]);
    for (percent, text) in [(30, 0), (50, 1), (70, 2)] {
        at(world, script, percent, &[Life::Policy(text)]);
    }
}

fn tell_material(world: &World, script: &mut Vec<Scripted>) {
    at(world, script, 8, &[Life::Create(number::IMPORTED), Life::Import]);
    at(world, script, 33, &[Life::Expire]);
    at(world, script, 40, &[Life::Import]);
    at(world, script, 60, &[Life::DeleteMaterial]);
}

fn tell_grants(world: &World, script: &mut Vec<Scripted>, random: &mut Random) {
    let key = number::GRANTS;
    let steps = [
        Life::Create(key),
        Life::Grant(0),
        Life::RetriedGrant(0),
        Life::Grant(1),
        Life::DryRunGrant(2),
        Life::DeniedGrant(3),
        Life::Grant(4),
    ];
    at(world, script, 12, &steps);
    at(world, script, 25, &[Life::Retire(0), Life::Revoke(1), Life::Retire(9), Life::Revoke(8)]);
    at(world, script, 60, &[Life::Schedule(key, 7 + random.seconds(24))]);
    at(world, script, 80, &[Life::Delete(key)]);
}

fn tell_family(world: &World, script: &mut Vec<Scripted>, random: &mut Random) {
    if world.lives.len() <= number::REPLICA {
        return;
    }
    let (primary, replica) = (number::PRIMARY, number::REPLICA);
    at(world, script, 15, &[Life::Create(primary), Life::Replicate, Life::Plain("SynchronizeMultiRegionKey", primary)]);
    at(world, script, 22, &[Life::Use(replica)]);
    at(world, script, 35, &[Life::MovePrimary, Life::PrimaryMoved]);
    at(world, script, 55, &[Life::Schedule(primary, 7 + random.seconds(24))]);
    at(world, script, 58, &[Life::Use(replica)]);
    for scripted in script.iter_mut() {
        if matches!(scripted.step, Step::Life(Life::PrimaryMoved)) || scripted.step == Step::Life(Life::Use(replica)) {
            scripted.place = world.story_place + 1;
        }
    }
}

fn tell_states(world: &World, script: &mut Vec<Scripted>, random: &mut Random) {
    let (silent, old) = (number::SILENTLY_DISABLED, number::OLD);
    at(world, script, 14, &[Life::Create(silent), Life::Use(silent)]);
    at(world, script, 45, &[Life::Fail(silent), Life::Fail(silent)]);
    at(world, script, 18, &[Life::Schedule(old, 7 + random.seconds(24))]);
    at(world, script, 21, &[Life::Plain("CancelKeyDeletion", old)]);
    at(world, script, 24, &[Life::Plain("EnableKey", old)]);
}

/// Fills the draft with an event of a life.
pub(crate) fn perform(scene: &mut Scene<'_, '_>, life: Life) {
    match life {
        Life::Create(number) => create(scene, number),
        Life::Alias(name, number) => alias(scene, name, number),
        Life::UseAlias(number) => use_alias(scene, number),
        Life::Use(number) => call(scene, number),
        Life::Fail(number) => fail(scene, number),
        Life::Policy(text) => put_policy(scene, text),
        Life::Grant(grant) | Life::RetriedGrant(grant) => create_grant(scene, grant),
        Life::DryRunGrant(grant) => {
            create_grant(scene, grant);
            let message = "The request would have succeeded, but the DryRun option is set.";
            scene.draft.fail("DryRunOperationException", message);
        }
        Life::DeniedGrant(grant) => {
            create_grant(scene, grant);
            scene.draft.fail("AccessDenied", "not authorized to perform: kms:CreateGrant");
        }
        Life::Retire(grant) => retire(scene, grant),
        Life::Revoke(grant) => revoke(scene, grant),
        Life::Import => import(scene),
        Life::Expire => expire(scene),
        Life::DeleteMaterial => plain(scene, "DeleteImportedKeyMaterial", number::IMPORTED),
        Life::Plain(name, number) => plain(scene, name, number),
        Life::Schedule(number, days) => schedule(scene, number, days),
        Life::Delete(number) => delete(scene, number),
        Life::Replicate => replicate(scene),
        Life::MovePrimary => move_primary(scene),
        Life::PrimaryMoved => primary_moved(scene),
    }
}

fn by_person(scene: &mut Scene<'_, '_>) {
    let caller = scene.person();
    scene.called_by(caller);
}

fn by_workload(scene: &mut Scene<'_, '_>) {
    let caller = scene.workload();
    scene.called_by(caller);
}

/// A management write by a person that names the key by its id.
fn write<'w>(
    scene: &mut Scene<'_, 'w>,
    name: &'static str,
    number: usize,
    more: impl FnOnce(&mut Scene<'_, 'w>, &'w Key),
) {
    let key = scene.world.life_key(number);
    scene.kms_write(name);
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Id);
    more(scene, key);
    scene.draft.request.close();
    scene.touch_key(key);
    by_person(scene);
}

fn answer_with_key(scene: &mut Scene<'_, '_>, number: usize, key: &Key) {
    if number != number::OLD {
        scene.draft.response.open().text("keyId", &key.arn).close();
    }
}

fn plain(scene: &mut Scene<'_, '_>, name: &'static str, number: usize) {
    write(scene, name, number, |scene, key| answer_with_key(scene, number, key));
}

fn create(scene: &mut Scene<'_, '_>, number: usize) {
    let key = scene.world.life_key(number);
    let account = scene.account_id();
    let created = java_time_text(scene.time);
    let (origin, state) =
        if number == number::IMPORTED { ("EXTERNAL", "PendingImport") } else { ("AWS_KMS", "Enabled") };
    let is_family = if number == number::PRIMARY { "true" } else { "false" };
    scene.kms_write("CreateKey");
    scene
        .draft
        .request
        .open()
        .text("keyUsage", "ENCRYPT_DECRYPT")
        .text("keySpec", "SYMMETRIC_DEFAULT")
        .text("origin", origin)
        .escaped("description", "lives \"told\" in full")
        .raw("bypassPolicyLockoutSafetyCheck", "false")
        .raw("multiRegion", is_family);
    if number != number::POLICIES {
        let policy = policy_of(&root_statement(scene));
        scene.draft.request.escaped("policy", &policy);
    }
    scene.draft.request.close();
    scene
        .draft
        .response
        .open()
        .member("keyMetadata")
        .open()
        .text("aWSAccountId", account)
        .text("keyId", &key.id)
        .text("arn", &key.arn)
        .text("creationDate", &created)
        .raw("enabled", if state == "Enabled" { "true" } else { "false" })
        .escaped("description", "lives \"told\" in full")
        .text("keyUsage", "ENCRYPT_DECRYPT")
        .text("keyState", state)
        .text("origin", origin)
        .text("keyManager", "CUSTOMER")
        .text("keySpec", "SYMMETRIC_DEFAULT")
        .raw("multiRegion", is_family)
        .close()
        .close();
    scene.touch_key(key);
    by_person(scene);
}

/// CreateAlias names the key first, the others the alias.
fn alias(scene: &mut Scene<'_, '_>, name: &'static str, number: usize) {
    let (owner, key) = (scene.world.life_key(number::ALIASED), scene.world.life_key(number));
    scene.kms_write(name);
    scene.draft.request.open().text("aliasName", &owner.alias);
    if name != "DeleteAlias" {
        scene.draft.request.text("targetKeyId", &key.id);
        scene.draft.response.open().text("keyId", &key.arn).close();
    }
    scene.draft.request.close();
    if name == "CreateAlias" {
        scene.touch_key(key);
        scene.touch_alias(owner);
    } else {
        scene.touch_alias(owner);
        scene.touch_key(key);
    }
    by_person(scene);
}

fn use_alias(scene: &mut Scene<'_, '_>, number: usize) {
    let (owner, key) = (scene.world.life_key(number::ALIASED), scene.world.life_key(number));
    let reference = if scene.random.chance(0.5) { KeyReference::Alias } else { KeyReference::AliasArn };
    scene.kms("Encrypt");
    scene.draft.request.open();
    scene.name_key("keyId", owner, reference);
    scene.draft.request.text("encryptionAlgorithm", "SYMMETRIC_DEFAULT").close();
    scene.touch_key(key);
    by_workload(scene);
}

fn call(scene: &mut Scene<'_, '_>, number: usize) {
    let key = scene.world.life_key(number);
    scene.kms("Decrypt");
    scene.draft.request.open().text("encryptionAlgorithm", "SYMMETRIC_DEFAULT").close();
    scene.touch_key(key);
    by_workload(scene);
}

fn fail(scene: &mut Scene<'_, '_>, number: usize) {
    let arn = &scene.world.life_key(number).arn;
    call(scene, number);
    scene.draft.fail("DisabledException", &format!("{arn} is disabled."));
    scene.forget_resources();
}

fn policy_of(statements: &str) -> String {
    format!("{{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\" : [ {statements} ]\n}}")
}

fn root_statement(scene: &Scene<'_, '_>) -> String {
    format!(
        r#"{{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{{"AWS":"arn:{}:iam::{}:root"}},"Action":"kms:*","Resource":"*"}}"#,
        scene.world.partition,
        scene.account_id()
    )
}

fn put_policy(scene: &mut Scene<'_, '_>, text: usize) {
    let (root, account) = (root_statement(scene), scene.account_id());
    let partition = scene.world.partition;
    let owner = scene.world.account_id(0);
    let policy = match text {
        0 => policy_of(&format!(
            r#"{root}, {{"Effect":"Allow","Principal":{{"AWS":["arn:{partition}:iam::{account}:role/ci-deployer","arn:{partition}:iam::{owner}:role/reader","{owner}"],"Service":"logs.amazonaws.com"}},"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*","Condition":{{"StringEquals":{{"kms:ViaService":"s3.amazonaws.com"}}}}}}, {{"Sid":"no","Effect":"Deny","NotPrincipal":{{"AWS":"AIDAEXAMPLE"}},"NotAction":"kms:Describe*","Resource":"*"}}"#
        )),
        1 => format!("{{\"Statement\" : [ {root}, "),
        _ => format!(
            r#"{{"Statement":{{"Sid":"all","Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{"StringEquals":{{"kms:CallerAccount":"{account}"}}}}}}}}"#
        ),
    };
    write(scene, "PutKeyPolicy", number::POLICIES, |scene, _| {
        scene
            .draft
            .request
            .text("policyName", "default")
            .raw("bypassPolicyLockoutSafetyCheck", "false")
            .escaped("policy", &policy);
    });
}

fn grant_id(world: &World, grant: u64) -> String {
    Random::of(world.life_seed, 10, grant).hex(64)
}

fn create_grant(scene: &mut Scene<'_, '_>, grant: u64) {
    let (key, id) = (scene.world.life_key(number::GRANTS), grant_id(scene.world, grant));
    let account = scene.account_id();
    let partition = scene.world.partition;
    scene.kms_write("CreateGrant");
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Arn);
    let request = &mut scene.draft.request;
    request.member("operations").open_list().element("Encrypt").element("Decrypt").element("RetireGrant").close_list();
    if grant == 4 {
        request.text("granteeServicePrincipal", "dynamodb.amazonaws.com");
    } else {
        request
            .text_of("granteePrincipal", &["arn:", partition, ":iam::", account, ":role/batch-worker-role"])
            .text_of("retiringPrincipal", &["arn:", partition, ":iam::", account, ":user/terraform"])
            .raw("constraints", r#"{"encryptionContextSubset":{"job":"nightly"}}"#)
            .text_of("name", &["life-", &grant.to_string()]);
    }
    request.close();
    scene.draft.response.open().text("grantId", &id).text("keyId", &key.arn).close();
    scene.touch_key(key);
    by_workload(scene);
}

/// By token: the request tells nothing.
fn retire(scene: &mut Scene<'_, '_>, grant: u64) {
    let (key, id) = (scene.world.life_key(number::GRANTS), grant_id(scene.world, grant));
    scene.kms_write("RetireGrant");
    scene.draft.additional.open().text("grantId", &id).close();
    scene.touch_key(key);
    by_workload(scene);
}

fn revoke(scene: &mut Scene<'_, '_>, grant: u64) {
    let id = grant_id(scene.world, grant);
    write(scene, "RevokeGrant", number::GRANTS, |scene, key| {
        scene.draft.request.text("grantId", &id);
        answer_with_key(scene, number::GRANTS, key);
    });
}

fn import(scene: &mut Scene<'_, '_>) {
    let valid_to = java_time_text(scene.time + 30 * DAY);
    write(scene, "ImportKeyMaterial", number::IMPORTED, |scene, key| {
        scene
            .draft
            .request
            .text("validTo", &valid_to)
            .text("expirationModel", "KEY_MATERIAL_EXPIRES")
            .text("importType", "EXISTING_KEY_MATERIAL");
        answer_with_key(scene, number::IMPORTED, key);
    });
}

fn expire(scene: &mut Scene<'_, '_>) {
    let key = scene.world.life_key(number::IMPORTED);
    scene.kms_write("DeleteExpiredKeyMaterial");
    scene.draft.details.open().text("keyId", &key.id).close();
    scene.touch_key(key);
    scene.as_service_event();
}

fn schedule(scene: &mut Scene<'_, '_>, number: usize, days: i64) {
    // AWS gives the start of the day.
    let date = java_time_text((scene.time + days * DAY) / DAY * DAY);
    let window = days.to_string();
    write(scene, "ScheduleKeyDeletion", number, |scene, key| {
        scene.draft.request.raw("pendingWindowInDays", &window);
        if number != number::OLD {
            scene
                .draft
                .response
                .open()
                .text("keyId", &key.arn)
                .text("keyState", "PendingDeletion")
                .text("deletionDate", &date)
                .raw("pendingWindowInDays", &window)
                .close();
        }
    });
}

fn delete(scene: &mut Scene<'_, '_>, number: usize) {
    let key = scene.world.life_key(number);
    scene.kms_write("DeleteKey");
    scene.touch_key(key);
    scene.as_service_event();
}

fn replicate(scene: &mut Scene<'_, '_>) {
    let replica = scene.world.life_key(number::REPLICA);
    let region = &scene.world.regions[1];
    let policy = policy_of(&root_statement(scene));
    write(scene, "ReplicateKey", number::PRIMARY, |scene, _| {
        scene.draft.request.text("replicaRegion", region).raw("bypassPolicyLockoutSafetyCheck", "false");
        scene
            .draft
            .response
            .open()
            .member("replicaKeyMetadata")
            .open()
            .text("keyId", &replica.id)
            .text("arn", &replica.arn)
            .text("description", "replica")
            .text("keyUsage", "ENCRYPT_DECRYPT")
            .text("keyState", "Creating")
            .text("origin", "AWS_KMS")
            .text("keyManager", "CUSTOMER")
            .text("keySpec", "SYMMETRIC_DEFAULT")
            .raw("multiRegion", "true")
            .close()
            .escaped("replicaPolicy", &policy)
            .close();
    });
}

fn move_primary(scene: &mut Scene<'_, '_>) {
    let region = &scene.world.regions[1];
    write(scene, "UpdatePrimaryRegion", number::PRIMARY, |scene, key| {
        scene.draft.request.text("primaryRegion", region);
        answer_with_key(scene, number::PRIMARY, key);
    });
}

/// It names no resource.
fn primary_moved(scene: &mut Scene<'_, '_>) {
    let key = scene.world.life_key(number::REPLICA);
    let region = scene.region();
    scene.kms_write("UpdatePrimaryRegion");
    scene.draft.request.open().text("keyId", &key.id).text("primaryRegion", region).close();
    scene.called_by_service("kms.amazonaws.com");
}

//! The events that are told once, in order: the lives of keys, from creation to deletion, and every rare KMS operation.
//!
//! What happens every minute is in `kms`.

use super::json::{java_time_text, push_escaped};
use super::kms;
use super::lives::{self, Life};
use super::scene::{KeyReference, Scene};
use super::world::{Key, Purpose, World};

/// One scripted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scripted {
    pub(crate) time: i64,
    pub(crate) place: usize,
    pub(crate) step: Step,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    CreateKey(Purpose, usize),
    CreateAlias(Purpose, usize),
    PutKeyPolicy(Purpose, usize),
    /// A management call whose only parameter is the key.
    KeyCall(&'static str, Purpose, usize),
    TagResource(Purpose, usize),
    UntagResource(Purpose, usize),
    UpdateKeyDescription(Purpose, usize),
    ScheduleKeyDeletion(Purpose, usize),
    DeleteKey(Purpose, usize),
    RotateKey(Purpose, usize),
    UpdateAlias(Purpose, usize),
    DeleteAlias(Purpose, usize),
    ImportKeyMaterial,
    DeleteExpiredKeyMaterial,
    ReplicateKey,
    UpdatePrimaryRegion,
    /// The second event of a change of the primary, made by KMS in the new region.
    PrimaryRegionUpdated,
    SynchronizeMultiRegionKey,
    RevokeGrant,
    KeyStore(&'static str),
    MonthEnd,
    Life(Life),
}

const DAY: i64 = 86_400;
/// The waiting period that ends with [`Step::DeleteKey`].
const WAITING_DAYS_OF_DELETED: i64 = 7;
/// Other keys are scheduled for deletion with AWS's longest and default waiting period.
const WAITING_DAYS: i64 = 30;

/// The script of a trail, in order of time.
pub(crate) fn script(world: &World) -> Vec<Scripted> {
    let mut script = Vec::new();
    tell_never_used(world, &mut script);
    tell_disabled(world, &mut script);
    tell_deleted(world, &mut script);
    tell_imported(world, &mut script);
    tell_multi_region(world, &mut script);
    tell_administration(world, &mut script);
    tell_month_ends(world, &mut script);
    lives::tell(world, &mut script);
    script.retain(|scripted| (world.start..world.end).contains(&scripted.time));
    script.sort_by_key(|scripted| scripted.time);
    script
}

fn percent(world: &World, share: i64) -> i64 {
    world.start + (world.end - world.start) / 100 * share
}

/// Adds steps one minute apart.
fn tell(world: &World, script: &mut Vec<Scripted>, time: i64, steps: &[Step]) {
    script.extend((0..).zip(steps).map(|(minute, step)| Scripted {
        time: time + minute * 60,
        place: world.story_place,
        step: *step,
    }));
}

fn tell_never_used(world: &World, script: &mut Vec<Scripted>) {
    for number in 0..3 {
        let purpose = Purpose::NeverUsed;
        let steps = [
            Step::CreateKey(purpose, number),
            Step::CreateAlias(purpose, number),
            Step::PutKeyPolicy(purpose, number),
            Step::KeyCall("EnableKeyRotation", purpose, number),
            Step::TagResource(purpose, number),
        ];
        tell(world, script, percent(world, 12 + 6 * i64::try_from(number).unwrap_or(0)), &steps);
    }
    tell(
        world,
        script,
        percent(world, 80),
        &[
            Step::UpdateKeyDescription(Purpose::NeverUsed, 0),
            Step::KeyCall("DisableKeyRotation", Purpose::NeverUsed, 1),
        ],
    );
}

fn tell_disabled(world: &World, script: &mut Vec<Scripted>) {
    let purpose = Purpose::Disabled;
    tell(world, script, world.disabled, &[Step::KeyCall("DisableKey", purpose, 0), Step::UntagResource(purpose, 0)]);
    tell(world, script, world.deletion_scheduled, &[Step::ScheduleKeyDeletion(purpose, 0)]);
}

fn tell_deleted(world: &World, script: &mut Vec<Scripted>) {
    let purpose = Purpose::Deleted;
    tell(
        world,
        script,
        world.deleted - WAITING_DAYS_OF_DELETED * DAY,
        &[Step::ScheduleKeyDeletion(purpose, 0), Step::DeleteAlias(purpose, 0)],
    );
    tell(world, script, world.deleted, &[Step::DeleteKey(purpose, 0)]);
}

fn tell_imported(world: &World, script: &mut Vec<Scripted>) {
    let purpose = Purpose::Imported;
    let steps = [
        Step::CreateKey(purpose, 0),
        Step::KeyCall("GetParametersForImport", purpose, 0),
        Step::ImportKeyMaterial,
        Step::CreateAlias(purpose, 0),
    ];
    tell(world, script, percent(world, 1), &steps);
    tell(
        world,
        script,
        world.deletion_scheduled,
        &[Step::DeleteExpiredKeyMaterial, Step::KeyCall("DeleteImportedKeyMaterial", purpose, 0)],
    );
}

/// The third application key has a multi-Region id; with a second region it gets a replica there.
fn tell_multi_region(world: &World, script: &mut Vec<Scripted>) {
    if world.regions.len() < 2 {
        return;
    }
    let steps =
        [Step::ReplicateKey, Step::SynchronizeMultiRegionKey, Step::UpdatePrimaryRegion, Step::PrimaryRegionUpdated];
    tell(world, script, percent(world, 25), &steps);
    if let Some(last) = script.last_mut() {
        last.place = world.story_place + 1;
    }
}

fn tell_administration(world: &World, script: &mut Vec<Scripted>) {
    let app = Purpose::App;
    let steps = [
        Step::KeyCall("DisableKey", app, 1),
        Step::KeyCall("EnableKey", app, 1),
        Step::ScheduleKeyDeletion(app, 1),
        Step::KeyCall("CancelKeyDeletion", app, 1),
        Step::KeyCall("EnableKey", app, 1),
        Step::KeyCall("RotateKeyOnDemand", app, 0),
        Step::RotateKey(app, 0),
        Step::UpdateAlias(app, 1),
        Step::RevokeGrant,
    ];
    tell(world, script, percent(world, 45), &steps);
    for number in 0..3 {
        tell(
            world,
            script,
            world.key(world.story_place, Purpose::S3Object, number).rotated,
            &[Step::RotateKey(Purpose::S3Object, number)],
        );
    }
    let stores = [
        "CreateCustomKeyStore",
        "ConnectCustomKeyStore",
        "DescribeCustomKeyStores",
        "DisconnectCustomKeyStore",
        "UpdateCustomKeyStore",
        "DeleteCustomKeyStore",
    ]
    .map(Step::KeyStore);
    tell(world, script, percent(world, 2), &stores);
}

fn tell_month_ends(world: &World, script: &mut Vec<Scripted>) {
    let mut day = world.start - world.start.rem_euclid(DAY);
    while day < world.end {
        if super::json::civil(day + DAY).day == 1 {
            tell(world, script, day + 79_200, &[Step::MonthEnd, Step::MonthEnd]);
        }
        day += DAY;
    }
}

/// Fills the draft with a scripted event.
pub(crate) fn perform(scene: &mut Scene<'_, '_>, step: Step) {
    match step {
        Step::CreateKey(purpose, number) => create_key(scene, purpose, number),
        Step::CreateAlias(purpose, number) => create_alias(scene, purpose, number),
        Step::PutKeyPolicy(purpose, number) => put_key_policy(scene, purpose, number),
        Step::KeyCall(name, purpose, number) => key_call(scene, name, purpose, number),
        Step::TagResource(purpose, number) => {
            with_key(scene, "TagResource", purpose, number, |scene, _| {
                scene.draft.request.raw("tags", r#"[{"tagKey":"owner","tagValue":"platform"}]"#);
            });
        }
        Step::UntagResource(purpose, number) => {
            with_key(scene, "UntagResource", purpose, number, |scene, _| {
                scene.draft.request.raw("tagKeys", r#"["owner"]"#);
            });
        }
        Step::UpdateKeyDescription(purpose, number) => {
            with_key(scene, "UpdateKeyDescription", purpose, number, |scene, _| {
                scene.draft.request.escaped("description", "kept for the \"2024\" migration; ask platform");
            });
        }
        Step::ScheduleKeyDeletion(purpose, number) => schedule_deletion(scene, purpose, number),
        Step::DeleteKey(purpose, number) => delete_key(scene, purpose, number),
        Step::RotateKey(purpose, number) => rotate_key(scene, purpose, number),
        Step::UpdateAlias(purpose, number) => update_alias(scene, purpose, number),
        Step::DeleteAlias(purpose, number) => delete_alias(scene, purpose, number),
        Step::ImportKeyMaterial => import_material(scene),
        Step::DeleteExpiredKeyMaterial => expire_material(scene),
        Step::ReplicateKey => replicate_key(scene),
        Step::UpdatePrimaryRegion => update_primary(scene),
        Step::PrimaryRegionUpdated => primary_updated(scene),
        Step::SynchronizeMultiRegionKey => synchronize(scene),
        Step::RevokeGrant => revoke_grant(scene),
        Step::KeyStore(name) => key_store(scene, name),
        Step::MonthEnd => kms::month_end(scene),
        Step::Life(life) => lives::perform(scene, life),
    }
}

/// A management write by a person: names the key by id, answers with its ARN.
fn with_key<'w>(
    scene: &mut Scene<'_, 'w>,
    name: &'static str,
    purpose: Purpose,
    number: usize,
    more: impl FnOnce(&mut Scene<'_, 'w>, &'w Key),
) {
    let key = scene.world.key(scene.world.story_place, purpose, number);
    scene.kms_write(name);
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Id);
    more(scene, key);
    scene.draft.request.close();
    scene.touch_key(key);
    by_person(scene);
}

fn by_person(scene: &mut Scene<'_, '_>) {
    let caller = scene.person();
    scene.called_by(caller);
}

fn key_call(scene: &mut Scene<'_, '_>, name: &'static str, purpose: Purpose, number: usize) {
    with_key(scene, name, purpose, number, |scene, key| match name {
        "GetParametersForImport" => {
            scene.draft.read_only = Some(true);
            scene.draft.request.text("wrappingAlgorithm", "RSAES_OAEP_SHA_256").text("wrappingKeySpec", "RSA_4096");
        }
        "EnableKeyRotation" => {
            scene.draft.request.raw("rotationPeriodInDays", "365");
            scene.draft.response.open().text("keyId", &key.arn).close();
        }
        "RotateKeyOnDemand" => {
            // The response holds a bare id here.
            scene.draft.response.open().text("keyId", &key.id).close();
        }
        _ => {
            scene.draft.response.open().text("keyId", &key.arn).close();
        }
    });
}

fn policy_text(scene: &Scene<'_, '_>) -> String {
    let account = scene.account_id();
    format!(
        "{{\n  \"Version\" : \"2012-10-17\",\n  \"Id\" : \"key-default-1\",\n  \"Statement\" : [ {{\n    \"Sid\" : \"Enable IAM User Permissions\",\n    \"Effect\" : \"Allow\",\n    \"Principal\" : {{\n      \"AWS\" : \"arn:{}:iam::{account}:root\"\n    }},\n    \"Action\" : \"kms:*\",\n    \"Resource\" : \"*\"\n  }} ]\n}}",
        scene.world.partition
    )
}

fn put_key_policy(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let policy = policy_text(scene);
    with_key(scene, "PutKeyPolicy", purpose, number, |scene, _| {
        scene
            .draft
            .request
            .text("policyName", "default")
            .raw("bypassPolicyLockoutSafetyCheck", "false")
            .escaped("policy", &policy);
    });
}

fn create_key(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    let origin = if purpose == Purpose::Imported { "EXTERNAL" } else { "AWS_KMS" };
    let policy = policy_text(scene);
    scene.kms_write("CreateKey");
    scene
        .draft
        .request
        .open()
        .text("keyUsage", "ENCRYPT_DECRYPT")
        .text("keySpec", "SYMMETRIC_DEFAULT")
        .text("customerMasterKeySpec", "SYMMETRIC_DEFAULT");
    scene
        .draft
        .request
        .text("origin", origin)
        .text("description", "made by hand")
        .raw("bypassPolicyLockoutSafetyCheck", "false")
        .raw("multiRegion", "false")
        .escaped("policy", &policy)
        .close();
    scene.draft.response.open().member("keyMetadata").open();
    write_metadata(scene, key, origin);
    scene.draft.response.close().close();
    scene.touch_key(key);
    by_person(scene);
}

fn write_metadata(scene: &mut Scene<'_, '_>, key: &Key, origin: &str) {
    let (account, created) = (scene.world.account_id(key.account), java_time_text(scene.time));
    let response = &mut scene.draft.response;
    response
        .text("aWSAccountId", account)
        .text("keyId", &key.id)
        .text("arn", &key.arn)
        .text("creationDate", &created)
        .raw("enabled", "true");
    response
        .text("description", "made by hand")
        .text("keyUsage", "ENCRYPT_DECRYPT")
        .text("keyState", if origin == "EXTERNAL" { "PendingImport" } else { "Enabled" });
    response
        .text("origin", origin)
        .text("keyManager", "CUSTOMER")
        .text("keySpec", "SYMMETRIC_DEFAULT")
        .raw("encryptionAlgorithms", r#"["SYMMETRIC_DEFAULT"]"#)
        .raw("multiRegion", "false");
}

fn create_alias(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    scene.kms_write("CreateAlias");
    scene.draft.request.open().text("aliasName", &key.alias).text("targetKeyId", &key.id).close();
    scene.draft.response.open().text("keyId", &key.arn).close();
    scene.touch_key(key);
    scene.touch_alias(key);
    by_person(scene);
}

/// The alias stands before the key here.
fn update_alias(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    scene.kms_write("UpdateAlias");
    scene.draft.request.open().text("aliasName", &key.alias).text("targetKeyId", &key.arn).close();
    scene.draft.response.open().text("keyId", &key.arn).close();
    scene.touch_alias(key);
    scene.touch_key(key);
    by_person(scene);
}

fn delete_alias(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    scene.kms_write("DeleteAlias");
    scene.draft.request.open().text("aliasName", &key.alias).close();
    scene.touch_alias(key);
    scene.touch_key(key);
    by_person(scene);
}

fn schedule_deletion(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let days = if purpose == Purpose::Deleted { WAITING_DAYS_OF_DELETED } else { WAITING_DAYS };
    let (date, days) = (java_time_text(scene.time + days * DAY), days.to_string());
    with_key(scene, "ScheduleKeyDeletion", purpose, number, |scene, key| {
        scene.draft.request.raw("pendingWindowInDays", &days);
        scene
            .draft
            .response
            .open()
            .text("keyId", &key.arn)
            .text("keyState", "PendingDeletion")
            .text("deletionDate", &date)
            .raw("pendingWindowInDays", &days)
            .close();
    });
}

fn delete_key(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    scene.kms_write("DeleteKey");
    scene.touch_key(key);
    scene.as_service_event();
}

fn rotate_key(scene: &mut Scene<'_, '_>, purpose: Purpose, number: usize) {
    let key = scene.world.story_key(purpose, number);
    scene.kms_write("RotateKey");
    scene
        .draft
        .details
        .open()
        .text("rotationType", if purpose == Purpose::App { "ON_DEMAND" } else { "AUTOMATIC" })
        .text("keyOrigin", "AWS_KMS");
    scene
        .draft
        .details
        .text("previousKeyMaterialId", &key.materials[0])
        .text("currentKeyMaterialId", &key.materials[1])
        .text("keyId", &key.id)
        .close();
    scene.touch_key(key);
    scene.as_service_event();
}

fn import_material(scene: &mut Scene<'_, '_>) {
    let valid_to = java_time_text(scene.world.deletion_scheduled);
    with_key(scene, "ImportKeyMaterial", Purpose::Imported, 0, |scene, key| {
        scene
            .draft
            .request
            .text("validTo", &valid_to)
            .text("expirationModel", "KEY_MATERIAL_EXPIRES")
            .text("importType", "NEW_KEY_MATERIAL");
        scene.draft.response.open().text("keyId", &key.arn).text("keyMaterialId", &key.materials[0]).close();
    });
}

fn expire_material(scene: &mut Scene<'_, '_>) {
    let key = scene.world.story_key(Purpose::Imported, 0);
    scene.kms_write("DeleteExpiredKeyMaterial");
    scene.draft.details.open().text("keyId", &key.id).text("keyMaterialId", &key.materials[0]).close();
    scene.touch_key(key);
    scene.as_service_event();
}

fn replicate_key(scene: &mut Scene<'_, '_>) {
    let region = scene.world.regions[1].clone();
    let mut policy = String::new();
    push_escaped(&mut policy, &policy_text(scene));
    with_key(scene, "ReplicateKey", Purpose::App, 2, |scene, key| {
        let replica = key.arn.replacen(scene.region(), &region, 1);
        scene.draft.request.text("replicaRegion", &region).raw("bypassPolicyLockoutSafetyCheck", "false");
        scene
            .draft
            .response
            .open()
            .member("replicaKeyMetadata")
            .open()
            .text("keyId", &key.id)
            .text("arn", &replica)
            .text("keyState", "Creating")
            .raw("multiRegion", "true")
            .close();
        scene.draft.response.raw("replicaPolicy", &policy).close();
    });
}

fn update_primary(scene: &mut Scene<'_, '_>) {
    let region = scene.world.regions[1].clone();
    with_key(scene, "UpdatePrimaryRegion", Purpose::App, 2, |scene, _| {
        scene.draft.request.text("primaryRegion", &region);
    });
}

/// KMS's own event in the new primary region; it names no resource.
fn primary_updated(scene: &mut Scene<'_, '_>) {
    let key = scene.world.story_key(Purpose::App, 2);
    let region = scene.region();
    scene.kms_write("UpdatePrimaryRegion");
    scene.draft.request.open().text("keyId", &key.id).text("primaryRegion", region).close();
    scene.called_by_service("kms.amazonaws.com");
}

fn synchronize(scene: &mut Scene<'_, '_>) {
    let key = scene.world.story_key(Purpose::App, 2);
    scene.kms_write("SynchronizeMultiRegionKey");
    scene.touch_key(key);
    scene.as_service_event();
    scene.draft.kind = super::draft::EventKind::ApiCall;
}

fn revoke_grant(scene: &mut Scene<'_, '_>) {
    let grant = scene.random.hex(64);
    with_key(scene, "RevokeGrant", Purpose::Ebs, 0, |scene, _| {
        scene.draft.request.text("grantId", &grant);
    });
}

fn key_store(scene: &mut Scene<'_, '_>, name: &'static str) {
    scene.kms_write(name);
    scene.draft.read_only = Some(name == "DescribeCustomKeyStores");
    if name == "CreateCustomKeyStore" {
        scene.draft.request.set(r#"{"customKeyStoreName":"payments-hsm","clusterId":"cluster-1a23b4cdefg"}"#);
        scene.draft.response.set(r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#);
    } else {
        scene.draft.request.set(r#"{"customKeyStoreId":"cks-1234567890abcdef0"}"#);
        scene.draft.additional.set(r#"{"customKeyStoreName":"payments-hsm","clusterId":"cluster-1a23b4cdefg"}"#);
    }
    by_person(scene);
}

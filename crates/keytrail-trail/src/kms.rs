//! Recipes for KMS events: what a service or an application writes into the trail when it uses a key.
//!
//! Key administration that happens once is told in `story`; calls across accounts are in `cross_account`.

use super::draft::EventKind;
use super::identity;
use super::random::Weighted;
use super::scene::{KeyReference, Recipe, Scene};
use super::world::{Key, Purpose};

/// The mix of KMS events, the most frequent first.
pub(crate) const KMS_RECIPES: &[Weighted<Recipe>] = &[
    (300, s3_object),
    (90, lambda_environment),
    (80, s3_bucket_key),
    (80, secret_read),
    (70, cloudtrail_log_file),
    (60, parameter),
    (55, application),
    (45, log_group),
    (40, dynamodb_table),
    (35, queue),
    (30, describe_key),
    (25, ebs_attach),
    (25, encryption_sdk),
    (15, list_aliases),
    (14, sign_or_verify),
    (12, mac),
    (10, disabled_key_call),
    (8, database),
    (8, key_metadata),
    (8, denied),
    (7, re_encrypt),
    (6, silent_key_call),
    (5, ebs_create),
    (5, create_grant),
    (5, secret_probe),
    (4, deleted_key_call),
    (4, throttled),
    (4, generate_random),
    (3, retire_grant),
    (3, public_key),
    (3, denied_without_key),
    (3, key_pair),
    (2, dry_run),
    (2, bad_signature),
    (2, agreement),
    (2, encapsulation),
    (2, wrong_data),
    (2, certificate),
    (1, cloudtrail_check),
    (1, external_caller),
    (1, key_store_call),
    (1, imported_key_call),
];

pub(crate) const ALGORITHM: &str = "SYMMETRIC_DEFAULT";

/// A symmetric call with one context pair of a service.
fn service_call<'w>(
    scene: &mut Scene<'_, 'w>,
    key: &'w Key,
    opens: bool,
    reference: KeyReference,
    context: &[(&str, &[&str])],
) {
    scene.kms(if opens { "Decrypt" } else { "GenerateDataKey" });
    scene.draft.request.open();
    // Real Decrypt events leave the key out in more than 99 of 100 cases.
    if !opens || scene.random.chance(0.005) {
        scene.name_key("keyId", key, reference);
    }
    write_context(scene, "encryptionContext", context);
    if opens {
        scene.draft.request.text("encryptionAlgorithm", ALGORITHM);
    } else {
        scene.draft.request.text("keySpec", "AES_256");
    }
    scene.draft.request.close();
    scene.finish(key, Some(opens));
}

pub(crate) fn write_context(scene: &mut Scene<'_, '_>, member: &str, context: &[(&str, &[&str])]) {
    let request = &mut scene.draft.request;
    request.member(member).open();
    for (name, value) in context {
        request.text_of(name, value);
    }
    request.close();
}

const OBJECT_FOLDERS: [&str; 8] = [
    "raw/clicks",
    "curated/orders",
    "exports/daily",
    "invoices",
    "thumbnails/large",
    "backups/full",
    "events/kinesis",
    "reports",
];
const OBJECT_ENDS: [&str; 5] = [".parquet", ".json.gz", ".csv", ".jpg", ".pdf"];

fn object_name(scene: &mut Scene<'_, '_>) -> String {
    let mut name = String::with_capacity(64);
    name.push_str(scene.random.pick_skewed::<&str>(&OBJECT_FOLDERS));
    name.push_str("/dt=");
    name.push_str(&super::json::time_text(scene.time)[..10]);
    name.push_str("/part-");
    scene.random.push_hex(&mut name, 12);
    name.push_str(scene.random.pick_skewed::<&str>(&OBJECT_ENDS));
    name
}

fn s3_object(scene: &mut Scene<'_, '_>) {
    let place = scene.place();
    // One bucket stands out, so that its key is the busiest of the trail whatever the seed.
    let busiest = scene.place_index == scene.world.story_place && scene.random.chance(0.4);
    let bucket_number = if busiest { 0 } else { scene.random.skewed(place.buckets.len()) };
    let key = scene.world.key(scene.place_index, Purpose::S3Object, bucket_number);
    let object = object_name(scene);
    let opens = scene.random.chance(0.7);
    let arn = ["arn:", scene.world.partition, ":s3:::", &place.buckets[bucket_number], "/", &object];
    service_call(scene, key, opens, KeyReference::Arn, &[("aws:s3:arn", &arn)]);
    s3_caller(scene);
}

fn s3_caller(scene: &mut Scene<'_, '_>) {
    let caller = scene.workload();
    let service = if scene.random.chance(0.6) { "AWS Internal" } else { "s3.amazonaws.com" };
    scene.called_via(caller, service);
}

fn s3_bucket_key(scene: &mut Scene<'_, '_>) {
    let place = scene.place();
    let bucket_number = scene.random.skewed(place.lake_buckets.len());
    let key = scene.world.key(scene.place_index, Purpose::S3Bucket, bucket_number);
    let opens = scene.random.chance(0.6);
    let arn = ["arn:", scene.world.partition, ":s3:::", place.lake_buckets[bucket_number].as_str()];
    service_call(scene, key, opens, KeyReference::Arn, &[("aws:s3:arn", &arn)]);
    s3_caller(scene);
}

fn lambda_environment(scene: &mut Scene<'_, '_>) {
    let function = scene.random.pick_skewed(&scene.place().functions).as_str();
    let key = scene.key_for(Purpose::Lambda);
    if scene.random.chance(0.97) {
        service_call(scene, key, true, KeyReference::Alias, &[("aws:lambda:FunctionArn", &[function])]);
    } else {
        scene.kms("Encrypt");
        scene.draft.request.open();
        scene.name_key("keyId", key, KeyReference::Alias);
        write_context(scene, "encryptionContext", &[("aws:lambda:FunctionArn", &[function])]);
        scene.draft.request.text("encryptionAlgorithm", ALGORITHM).close();
        scene.finish(key, Some(false));
    }
    let caller = scene.workload();
    scene.called_via(caller, "lambda.amazonaws.com");
}

fn secret_context<'w>(scene: &mut Scene<'_, 'w>) -> (&'w Key, &'w str, String) {
    let purpose = if scene.random.chance(0.7) { Purpose::SecretsManaged } else { Purpose::Secrets };
    let key = scene.key_for(purpose);
    let secret = scene.random.pick_skewed(&scene.place().secrets).as_str();
    // A version lives for a month.
    let month = (scene.time / 2_592_000).cast_unsigned();
    let version = super::random::Random::of(key.rotated.cast_unsigned(), secret.len() as u64, month).uuid();
    (key, secret, version)
}

fn secret_read(scene: &mut Scene<'_, '_>) {
    let (key, secret, version) = secret_context(scene);
    let opens = scene.random.chance(0.97);
    let reference = if key.purpose == Purpose::SecretsManaged { KeyReference::Alias } else { KeyReference::Arn };
    service_call(scene, key, opens, reference, &[("SecretARN", &[secret]), ("SecretVersionId", &[&version])]);
    let caller = scene.workload();
    scene.called_via(caller, "secretsmanager.amazonaws.com");
}

/// Secrets Manager checks that it may use the key and throws the result away.
fn secret_probe(scene: &mut Scene<'_, '_>) {
    let (key, secret, _) = secret_context(scene);
    let opens = scene.random.chance(0.5);
    service_call(
        scene,
        key,
        opens,
        KeyReference::Arn,
        &[("SecretARN", &[secret]), ("SecretVersionId", &["RequestToValidateKeyAccess"])],
    );
    let caller = scene.person();
    scene.called_via(caller, "secretsmanager.amazonaws.com");
}

fn cloudtrail_log_file(scene: &mut Scene<'_, '_>) {
    let mut object = String::with_capacity(64);
    object.push_str(&super::json::time_text(scene.time)[..10].replace('-', "/"));
    object.push('/');
    scene.random.push_alphanumeric(&mut object, 16);
    object.push_str(".json.gz");
    cloudtrail_call(scene, &object);
}

/// CloudTrail tries whether it may encrypt; nothing is written with that data key.
fn cloudtrail_check(scene: &mut Scene<'_, '_>) {
    cloudtrail_call(scene, "");
}

fn cloudtrail_call(scene: &mut Scene<'_, '_>, object: &str) {
    let key = scene.key_for(Purpose::CloudTrail);
    let (partition, account, region) = (scene.world.partition, scene.account_id(), scene.region());
    let trail = ["arn:", partition, ":cloudtrail:", region, ":", account, ":trail/organization"];
    let log = ["arn:", partition, ":s3:::acme-trail-logs/AWSLogs/", account, "/CloudTrail/", region, "/", object];
    service_call(
        scene,
        key,
        false,
        KeyReference::Arn,
        &[("aws:cloudtrail:arn", &trail), ("aws:s3:arn", if object.is_empty() { &log[..4] } else { &log })],
    );
    scene.called_by_service("cloudtrail.amazonaws.com");
    scene.share();
    if scene.random.chance(0.01) {
        scene.draft.kind = EventKind::ServiceEvent;
    }
}

fn parameter(scene: &mut Scene<'_, '_>) {
    let purpose = if scene.random.chance(0.8) { Purpose::SsmManaged } else { Purpose::Ssm };
    let key = scene.key_for(purpose);
    let parameter = scene.random.pick_skewed(&scene.place().parameters).as_str();
    if scene.random.chance(0.94) {
        service_call(scene, key, true, KeyReference::Alias, &[("PARAMETER_ARN", &[parameter])]);
    } else {
        scene.kms("Encrypt");
        scene.draft.request.open();
        scene.name_key("keyId", key, KeyReference::Alias);
        write_context(scene, "encryptionContext", &[("PARAMETER_ARN", &[parameter])]);
        scene.draft.request.text("encryptionAlgorithm", ALGORITHM).close();
        scene.finish(key, Some(false));
    }
    let caller = scene.workload();
    scene.called_via(caller, if purpose == Purpose::Ssm { "ssm.amazonaws.com" } else { "AWS Internal" });
}

const TENANTS: [&str; 12] = [
    "t-0001", "t-0002", "t-0003", "t-0004", "t-0007", "t-0011", "t-0042", "t-0101", "t-0815", "t-1024", "t-4711",
    "t-9000",
];
const APP_PURPOSES: [&str; 5] = ["invoice", "profile", "token", "attachment", "note"];

fn application(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let caller = scene.workload();
    let name = *scene.random.pick_skewed(&["Decrypt", "GenerateDataKey", "Encrypt"]);
    application_call(scene, key, name);
    scene.called_by(caller);
}

/// An application's call with its own context: three pairs at most, none sometimes.
fn application_call<'w>(scene: &mut Scene<'_, 'w>, key: &'w Key, name: &'static str) {
    scene.kms(name);
    scene.draft.request.open();
    let opens = name == "Decrypt";
    if !opens || scene.random.chance(0.02) {
        let reference = scene.some_reference();
        scene.name_key("keyId", key, reference);
    }
    application_context(scene, "encryptionContext");
    match name {
        "GenerateDataKey" if scene.random.chance(0.2) => scene.draft.request.raw("numberOfBytes", "64"),
        "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" => scene.draft.request.text("keySpec", "AES_256"),
        _ => scene.draft.request.text("encryptionAlgorithm", ALGORITHM),
    };
    scene.draft.request.close();
    scene.finish(key, Some(opens));
}

fn application_context(scene: &mut Scene<'_, '_>, member: &str) {
    let tenant = *scene.random.pick_skewed(&TENANTS);
    let purpose = *scene.random.pick_skewed(&APP_PURPOSES);
    match scene.random.below(100) {
        0..10 => {}
        10..13 => write_context(scene, member, &[]),
        13..16 => write_context(scene, member, &[("Abteilung", &["Rechnungsprüfung"]), ("部署", &["経理"])]),
        16..60 => write_context(scene, member, &[("tenant", &[tenant]), ("purpose", &[purpose])]),
        _ => write_context(scene, member, &[("purpose", &[purpose]), ("stage", &["prod"]), ("tenant", &[tenant])]),
    }
}

fn log_group(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Logs);
    let group = scene.random.pick_skewed(&scene.place().log_groups).as_str();
    let opens = scene.random.chance(0.6);
    service_call(scene, key, opens, KeyReference::Arn, &[("aws:logs:arn", &[group])]);
    let service = ["logs.", scene.region(), ".amazonaws.com"].concat();
    scene.called_by_service(&service);
    scene.share();
}

fn dynamodb_table(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::DynamoDb);
    let table = scene.random.pick_skewed(&scene.place().tables).as_str();
    let account = scene.account_id();
    service_call(
        scene,
        key,
        true,
        KeyReference::Arn,
        &[("aws:dynamodb:tableName", &[table]), ("aws:dynamodb:subscriberId", &[account])],
    );
    if scene.random.chance(0.2) {
        scene.called_by_service("dynamodb.amazonaws.com");
        scene.share();
    } else {
        let caller = scene.workload();
        scene.called_via(caller, "dynamodb.amazonaws.com");
    }
}

fn queue(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Queues);
    let queue = scene.random.pick_skewed(&scene.place().queues).as_str();
    let opens = scene.random.chance(0.5);
    service_call(scene, key, opens, KeyReference::Arn, &[("aws:sqs:arn", &[queue])]);
    let caller = scene.workload();
    scene.called_via(caller, "sqs.amazonaws.com");
}

fn ebs_attach(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let place = scene.place();
    let volume = scene.random.pick_skewed(&place.volumes).as_str();
    service_call(scene, key, true, KeyReference::Arn, &[("aws:ebs:id", &[volume])]);
    let instance = scene.random.pick(&place.instances);
    identity::write_infrastructure(&mut scene.draft.identity, scene.world, place.account, instance);
    scene.shown_as("ec2.amazonaws.com");
}

fn ebs_create(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let volume = scene.random.pick(&scene.place().volumes).as_str();
    scene.kms("GenerateDataKeyWithoutPlaintext");
    scene.draft.request.open();
    write_context(scene, "encryptionContext", &[("aws:ebs:id", &[volume])]);
    scene.name_key("keyId", key, KeyReference::Arn);
    scene.draft.request.raw("numberOfBytes", "64").close();
    scene.finish(key, Some(false));
    let caller = scene.workload();
    scene.called_via(caller, "ec2.amazonaws.com");
}

fn database(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Rds);
    let place = scene.place();
    let database = scene.random.pick(&place.databases).as_str();
    let volume = scene.random.pick(&place.volumes).as_str();
    let opens = scene.random.chance(0.8);
    service_call(scene, key, opens, KeyReference::Arn, &[("aws:rds:db-id", &[database]), ("aws:ebs:id", &[volume])]);
    scene.called_by_service("rds.amazonaws.com");
    scene.share();
}

fn encryption_sdk(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Sdk);
    let caller = scene.workload();
    let mut point = String::from("A");
    scene.random.push_alphanumeric(&mut point, 66);
    point.push('=');
    let opens = scene.random.chance(0.5);
    let tenant = *scene.random.pick_skewed(&TENANTS);
    service_call(scene, key, opens, KeyReference::Arn, &[("aws-crypto-public-key", &[&point]), ("tenant", &[tenant])]);
    scene.called_by(caller);
}

/// A call that names its key and one algorithm and takes no context.
fn algorithm_call<'w>(scene: &mut Scene<'_, 'w>, name: &'static str, key: &'w Key, members: &[(&str, &str)]) {
    scene.kms(name);
    scene.draft.request.open();
    let reference = scene.some_reference();
    scene.name_key("keyId", key, reference);
    for (member, value) in members {
        scene.draft.request.text(member, value);
    }
    scene.draft.request.close();
    scene.finish(key, None);
    let caller = scene.workload();
    scene.called_by(caller);
}

fn sign_or_verify(scene: &mut Scene<'_, '_>) {
    let name = if scene.random.chance(0.7) { "Sign" } else { "Verify" };
    signature_call(scene, name);
}

fn signature_call(scene: &mut Scene<'_, '_>, name: &'static str) {
    let rsa = scene.random.chance(0.5);
    let key = scene.key_for(if rsa { Purpose::SignRsa } else { Purpose::SignEcc });
    let algorithm = if rsa { "RSASSA_PSS_SHA_256" } else { "ECDSA_SHA_256" };
    let message = if scene.random.chance(0.5) { "DIGEST" } else { "RAW" };
    algorithm_call(scene, name, key, &[("messageType", message), ("signingAlgorithm", algorithm)]);
}

fn bad_signature(scene: &mut Scene<'_, '_>) {
    if scene.random.chance(0.7) {
        signature_call(scene, "Verify");
        scene.draft.fail("KMSInvalidSignatureException", "");
    } else {
        let key = scene.key_for(Purpose::Mac);
        algorithm_call(scene, "VerifyMac", key, &[("macAlgorithm", "HMAC_SHA_256")]);
        scene.draft.fail("KMSInvalidMacException", "");
    }
}

fn mac(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Mac);
    let name = if scene.random.chance(0.4) { "GenerateMac" } else { "VerifyMac" };
    algorithm_call(scene, name, key, &[("macAlgorithm", "HMAC_SHA_256")]);
}

fn agreement(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Agreement);
    algorithm_call(scene, "DeriveSharedSecret", key, &[("keyAgreementAlgorithm", "ECDH")]);
}

fn encapsulation(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Encapsulation);
    let name = if scene.random.chance(0.5) { "Encapsulate" } else { "Decapsulate" };
    algorithm_call(scene, name, key, &[("encapsulationAlgorithm", "ML_KEM")]);
}

fn public_key(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::SignRsa);
    algorithm_call(scene, "GetPublicKey", key, &[]);
}

fn key_pair(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let name = if scene.random.chance(0.5) { "GenerateDataKeyPair" } else { "GenerateDataKeyPairWithoutPlaintext" };
    let caller = scene.workload();
    scene.kms(name);
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Id);
    write_context(scene, "encryptionContext", &[("purpose", &["device-identity"])]);
    scene.draft.request.text("keyPairSpec", "ECC_NIST_P256").close();
    scene.finish(key, Some(false));
    scene.called_by(caller);
}

fn generate_random(scene: &mut Scene<'_, '_>) {
    let caller = scene.workload();
    scene.kms("GenerateRandom");
    if scene.random.chance(0.3) {
        scene.draft.request.set(r#"{"numberOfBytes":32}"#);
    }
    scene.no_resources();
    scene.called_by(caller);
}

/// Moves a ciphertext from one key to another, or to a new context under the same key.
fn re_encrypt(scene: &mut Scene<'_, '_>) {
    let source = scene.key_for(Purpose::App);
    let destination = if scene.random.chance(0.3) { source } else { scene.key_for(Purpose::S3Object) };
    let caller = scene.workload();
    scene.kms("ReEncrypt");
    scene.draft.request.open();
    if scene.random.chance(0.2) {
        scene.name_key("sourceKeyId", source, KeyReference::Arn);
    }
    scene.draft.request.text("sourceEncryptionAlgorithm", ALGORITHM);
    application_context(scene, "sourceEncryptionContext");
    let reference = scene.some_reference();
    scene.name_key("destinationKeyId", destination, reference);
    scene.draft.request.text("destinationEncryptionAlgorithm", ALGORITHM);
    application_context(scene, "destinationEncryptionContext");
    scene.draft.request.close();
    scene.touch_key(source);
    scene.touch_key(destination);
    re_encrypt_materials(scene, source, destination);
    scene.called_by(caller);
}

fn re_encrypt_materials<'w>(scene: &mut Scene<'_, 'w>, source: &'w Key, destination: &'w Key) {
    let (from, to) = (scene.material(source, true), scene.material(destination, false));
    scene.draft.additional.open().text("sourceKeyMaterialId", from).text("destinationKeyMaterialId", to).close();
}

// Keys with a story.

fn silent_key_call(scene: &mut Scene<'_, '_>) {
    if scene.place_index != scene.world.story_place || scene.time >= scene.world.silent_since {
        return s3_object(scene);
    }
    let key = scene.world.story_key(Purpose::Silent, 0);
    let object = object_name(scene);
    let arn = ["arn:", scene.world.partition, ":s3:::acme-billing-legacy/", &object];
    service_call(scene, key, false, KeyReference::Arn, &[("aws:s3:arn", &arn)]);
    s3_caller(scene);
}

fn disabled_key_call(scene: &mut Scene<'_, '_>) {
    if scene.place_index != scene.world.story_place {
        return application(scene);
    }
    let key = scene.world.story_key(Purpose::Disabled, 0);
    let name = *scene.random.pick_skewed(&["Decrypt", "GenerateDataKey", "Encrypt"]);
    application_call(scene, key, name);
    let caller = scene.role("batch-worker-role");
    scene.called_by(caller);
}

fn deleted_key_call(scene: &mut Scene<'_, '_>) {
    if scene.place_index != scene.world.story_place {
        return secret_read(scene);
    }
    let key = scene.world.story_key(Purpose::Deleted, 0);
    scene.kms("Encrypt");
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Arn);
    write_context(scene, "encryptionContext", &[("report", &["quarterly"])]);
    scene.draft.request.text("encryptionAlgorithm", ALGORITHM).close();
    scene.finish(key, Some(false));
    let caller = scene.role("etl-glue-role");
    scene.called_by(caller);
}

/// The job of the last day of a month; on all other days its key is idle.
pub(crate) fn month_end(scene: &mut Scene<'_, '_>) {
    let key = scene.world.story_key(Purpose::Rare, 0);
    scene.kms("Decrypt");
    scene.draft.request.open();
    write_context(scene, "encryptionContext", &[("job", &["month-end-close"])]);
    scene.draft.request.text("encryptionAlgorithm", ALGORITHM).close();
    scene.finish(key, Some(true));
    let caller = scene.role("month-end-job");
    scene.called_by(caller);
}

fn key_store_call(scene: &mut Scene<'_, '_>) {
    if scene.place_index != scene.world.story_place {
        return application(scene);
    }
    let key = scene.world.story_key(Purpose::KeyStore, 0);
    application_call(scene, key, "Decrypt");
    scene.draft.additional.set(r#"{"customKeyStoreId":"cks-1234567890abcdef0","clusterId":"cluster-1a23b4cdefg","backingKey":"{\"keyHandle\":\"16\",\"backingKeyId\":\"backing-key-1\"}"}"#);
    if scene.random.chance(0.1) {
        scene.draft.fail("KMSInvalidStateException", &format!("{} is unavailable.", key.arn));
    }
    let caller = scene.workload();
    scene.called_by(caller);
}

fn imported_key_call(scene: &mut Scene<'_, '_>) {
    if scene.place_index != scene.world.story_place {
        return application(scene);
    }
    let key = scene.world.story_key(Purpose::Imported, 0);
    application_call(scene, key, "Decrypt");
    if scene.time >= scene.world.deletion_scheduled {
        scene.draft.fail("KMSInvalidStateException", &format!("{} is pending import.", key.arn));
    }
    let caller = scene.workload();
    scene.called_by(caller);
}

// Failures.

fn denied(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let caller = scene.workload();
    let name = *scene.random.pick_skewed(&["Decrypt", "GenerateDataKey", "Encrypt"]);
    application_call(scene, key, name);
    scene.called_by(caller);
    let message = format!(
        "User: arn:{}:sts::{}:assumed-role/{}/{} is not authorized to perform: kms:{name} on resource: {} because no identity-based policy allows the kms:{name} action",
        scene.world.partition,
        scene.account_id(),
        caller.name,
        caller.session,
        key.arn
    );
    let code = if scene.random.chance(0.8) { "AccessDenied" } else { "AccessDeniedException" };
    scene.draft.fail(code, &message);
    if scene.random.chance(0.7) {
        scene.forget_resources();
    }
}

/// The one failure that tells no key at all.
fn denied_without_key(scene: &mut Scene<'_, '_>) {
    let caller = scene.workload();
    scene.kms("Decrypt");
    scene.draft.request.set(r#"{"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#);
    scene.called_by(caller);
    scene.draft.fail("AccessDenied", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.");
    scene.forget_resources();
}

fn throttled(scene: &mut Scene<'_, '_>) {
    s3_object(scene);
    scene.draft.fail(
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    );
    if scene.random.chance(0.6) {
        scene.forget_resources();
    }
}

fn dry_run(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let caller = scene.person();
    application_call(scene, key, "Encrypt");
    scene.called_by(caller);
    scene.draft.fail("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.");
}

fn wrong_data(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let caller = scene.workload();
    application_call(scene, key, "Decrypt");
    scene.called_by(caller);
    let code = *scene.random.pick(&[
        "InvalidCiphertextException",
        "IncorrectKeyException",
        "InvalidKeyUsageException",
        "ValidationException",
    ]);
    scene.draft.fail(code, "");
    if scene.random.chance(0.5) {
        scene.forget_resources();
    }
}

// Services and accounts that leave special traces.

/// ACM's calls arrive as service events and are real use.
fn certificate(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::S3Bucket);
    let certificate = [
        "arn:",
        scene.world.partition,
        ":acm:",
        scene.region(),
        ":",
        scene.account_id(),
        ":certificate/7f2b5c1e-0d3a-4f68-9b17-2c5de8a41f90",
    ];
    service_call(scene, key, true, KeyReference::Arn, &[("aws:acm:arn", &certificate)]);
    scene.called_by_service("acm.amazonaws.com");
    scene.draft.kind = EventKind::ServiceEvent;
    scene.share();
}

/// A caller from an account outside the trail: only the owner's copy is here.
fn external_caller(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    application_call(scene, key, "GenerateDataKey");
    identity::write_foreign(&mut scene.draft.identity, "AROAEXTERNALPARTNER01:exchange", "999988887777", None);
    scene.draft.address.push_str("198.51.100.24");
    scene.draft.agent.push_str("aws-sdk-java/2.20.1");
    scene.share();
}

fn create_grant(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let place = scene.place();
    let instance = scene.random.pick(&place.instances);
    let volume = scene.random.pick(&place.volumes);
    let caller = scene.workload();
    let grant = scene.random.hex(64);
    scene.kms_write("CreateGrant");
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Arn);
    scene.draft.request.member("operations").open_list().element("Decrypt").close_list();
    scene
        .draft
        .request
        .text_of("granteePrincipal", &[scene.world.account_id(place.account), ":aws:ec2-infrastructure:", instance]);
    scene
        .draft
        .request
        .member("constraints")
        .open()
        .member("encryptionContextSubset")
        .open()
        .text("aws:ebs:id", volume)
        .close()
        .close()
        .close();
    scene.draft.response.open().text("grantId", &grant).text("keyId", &key.arn).close();
    scene.touch_key(key);
    scene.called_via(caller, "ec2.amazonaws.com");
}

fn retire_grant(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let grant = scene.random.hex(64);
    scene.kms_write("RetireGrant");
    scene.draft.additional.open().text("grantId", &grant).close();
    scene.touch_key(key);
    scene.called_by_service("ec2.amazonaws.com");
    scene.share();
}

// Metadata.

fn describe_key(scene: &mut Scene<'_, '_>) {
    let key = some_key(scene);
    let caller = if scene.random.chance(0.6) { scene.role("monitoring-reader") } else { scene.person() };
    scene.kms("DescribeKey");
    scene.draft.request.open();
    let reference = scene.some_reference();
    scene.name_key("keyId", key, reference);
    scene.draft.request.close();
    scene.touch_key(key);
    scene.called_by(caller);
}

/// Any key of the place, the never-used ones too.
fn some_key<'w>(scene: &mut Scene<'_, 'w>) -> &'w Key {
    let purpose = *scene.random.pick(&[
        Purpose::App,
        Purpose::S3Object,
        Purpose::Ebs,
        Purpose::NeverUsed,
        Purpose::SignRsa,
        Purpose::Silent,
    ]);
    let story = matches!(purpose, Purpose::NeverUsed | Purpose::Silent);
    if story && scene.place_index != scene.world.story_place {
        scene.key_for(Purpose::Rds)
    } else {
        scene.key_for(purpose)
    }
}

fn list_aliases(scene: &mut Scene<'_, '_>) {
    let caller = scene.person();
    let name = if scene.random.chance(0.8) { "ListAliases" } else { "ListKeys" };
    scene.kms(name);
    if scene.random.chance(0.5) {
        scene.draft.request.set(r#"{"limit":100}"#);
    }
    if scene.random.chance(0.5) {
        scene.no_resources();
    }
    scene.called_by(caller);
}

fn key_metadata(scene: &mut Scene<'_, '_>) {
    const NAMES: [&str; 8] = [
        "GetKeyPolicy",
        "GetKeyRotationStatus",
        "ListGrants",
        "ListResourceTags",
        "GetKeyLastUsage",
        "ListKeyPolicies",
        "ListKeyRotations",
        "ListRetirableGrants",
    ];
    let key = some_key(scene);
    let caller = scene.person();
    let name = *scene.random.pick(&NAMES);
    scene.kms(name);
    scene.draft.request.open();
    if name == "ListRetirableGrants" {
        scene.draft.request.text("retiringPrincipal", "ec2.amazonaws.com");
        scene.no_resources();
    } else {
        scene.name_key("keyId", key, KeyReference::Id);
        scene.touch_key(key);
    }
    if name == "GetKeyPolicy" {
        scene.draft.request.text("policyName", "default");
    }
    scene.draft.request.close();
    scene.called_by(caller);
}

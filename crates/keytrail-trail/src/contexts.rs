//! Recipes for what a usual trail seldom holds: contexts of less common services, attested calls, a failing probe, and
//! changes in other services that name a key. They are drawn only where the configuration asks for them.
//!
//! The usual mix is in `kms` and `other`.

use super::identity;
use super::kms::{ALGORITHM, write_context};
use super::random::Weighted;
use super::scene::{KeyReference, Recipe, Scene};
use super::world::{Key, Purpose};

/// Each about as often as the others.
pub(crate) const RARE_RECIPES: &[Weighted<Recipe>] = &[
    (2, keyspace_table),
    (2, file_system),
    (2, snapshot),
    (2, repository),
    (2, directory_bucket),
    (2, branch_key),
    (2, unknown_service),
    (2, attested),
    (1, denied_probe),
    (1, dry_grant),
    (2, blocked_grant),
    (2, explicit_deny),
    (2, create_volume),
    (2, create_secret),
    (2, bucket_encryption),
    (1, key_in_policy),
];

type Context<'c> = [(&'c str, &'c [&'c str])];

/// A call with a service's context, half of them opening.
fn call<'w>(scene: &mut Scene<'_, 'w>, key: &'w Key, context: &Context<'_>) {
    let opens = scene.random.chance(0.5);
    scene.kms(if opens { "Decrypt" } else { "GenerateDataKey" });
    scene.draft.request.open();
    if !opens {
        scene.name_key("keyId", key, KeyReference::Arn);
    }
    write_context(scene, "encryptionContext", context);
    scene.draft.request.text("encryptionAlgorithm", ALGORITHM).close();
    scene.finish(key, Some(opens));
}

fn keyspace_table(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::DynamoDb);
    let table = scene.random.pick_skewed(&scene.place().tables).as_str();
    let account = scene.account_id();
    let context: &Context<'_> = &[
        ("aws:cassandra:keyspaceName", &["shop"]),
        ("aws:cassandra:tableName", &[table]),
        ("aws:cassandra:subscriberId", &[account]),
    ];
    call(scene, key, context);
    scene.called_by_service("cassandra.amazonaws.com");
    scene.share();
}

fn file_system(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    call(scene, key, &[("aws:elasticfilesystem:filesystem:id", &["fs-0123456789abcdef8"])]);
    let caller = scene.workload();
    scene.called_via(caller, "AWS Internal");
}

/// A snapshot copied to this region: written, opened only when somebody restores it.
fn snapshot(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let mut id = String::from("snap-0");
    scene.random.push_hex(&mut id, 16);
    scene.kms("GenerateDataKeyWithoutPlaintext");
    scene.draft.request.open();
    write_context(scene, "encryptionContext", &[("aws:ebs:id", &[&id])]);
    scene.name_key("keyId", key, KeyReference::Arn);
    scene.draft.request.raw("numberOfBytes", "64").close();
    scene.finish(key, Some(false));
    let caller = scene.role("ci-deployer");
    scene.called_via(caller, "ec2.amazonaws.com");
}

fn repository(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::S3Object);
    let (partition, region, account) = (scene.world.partition, scene.region(), scene.account_id());
    let mut layer = String::new();
    scene.random.push_hex(&mut layer, 32);
    let object: &[&str] = &["arn:", partition, ":s3:::prod-", region, "-starport-layer-bucket/", &layer];
    let repository: &[&str] = &["arn:", partition, ":ecr:", region, ":", account, ":repository/checkout"];
    call(scene, key, &[("aws:s3:arn", object), ("aws:ecr:arn", repository)]);
    let caller = scene.workload();
    scene.called_via(caller, "ecr.amazonaws.com");
}

/// The documentation shows an ARN within an ARN.
fn directory_bucket(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::S3Bucket);
    let prefix =
        ["arn:", scene.world.partition, ":s3express:", scene.region(), ":", scene.account_id(), ":bucket/"].concat();
    call(scene, key, &[("aws:s3express:arn", &[&prefix, &prefix, "fast--use1-az4--x-s3"])]);
    let caller = scene.workload();
    scene.called_via(caller, "s3express.amazonaws.com");
}

/// The hierarchical keyring of the Encryption SDK opens its branch key.
fn branch_key(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Sdk);
    let version = ["branch:version:", &scene.random.uuid()].concat();
    let created = super::json::time_text(scene.time);
    let context: &Context<'_> = &[
        ("branch-key-id", &["3f43a9af-08c5-4317-b694-3d3e883dcaef"]),
        ("type", &[&version]),
        ("create-time", &[&created]),
        ("hierarchy-version", &["1"]),
        ("tablename", &["branch-keys"]),
        ("kms-arn", &[&key.arn]),
    ];
    call(scene, key, context);
    let caller = scene.workload();
    scene.called_by(caller);
}

/// A service that did not exist when this was written.
fn unknown_service(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    let (partition, region, account) = (scene.world.partition, scene.region(), scene.account_id());
    let arn: &[&str] = &["arn:", partition, ":novel:", region, ":", account, ":shelf/novels"];
    call(scene, key, &[("aws:novel:arn", arn)]);
    let caller = scene.workload();
    if scene.random.chance(0.5) {
        scene.called_via(caller, "AWS Internal");
    } else {
        scene.called_by(caller);
    }
}

fn attested(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    call(scene, key, &[("purpose", &["enclave"])]);
    scene.draft.additional.set(
        r#"{"recipient":{"attestationDocumentModuleId":"i-0123456789abcdef0-enc0123456789abcdef","attestationDocumentEnclaveImageDigest":"ab12"}}"#,
    );
    let caller = scene.role("bastion-role");
    scene.called_by(caller);
}

fn denied_probe(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Secrets);
    let secret = scene.random.pick_skewed(&scene.place().secrets).as_str();
    call(scene, key, &[("SecretARN", &[secret]), ("SecretVersionId", &["RequestToValidateKeyAccess"])]);
    let caller = scene.person();
    scene.called_via(caller, "secretsmanager.amazonaws.com");
    scene.draft.fail("AccessDenied", "because no key policy allows the kms:GenerateDataKey action");
}

/// A dry run of a change: it makes no grant.
fn dry_grant(scene: &mut Scene<'_, '_>) {
    grant(scene);
    let caller = scene.person();
    scene.called_by(caller);
    scene.draft.fail("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.");
}

/// A volume that is to be attached wants a grant first.
fn blocked_grant(scene: &mut Scene<'_, '_>) {
    let key = grant(scene);
    let caller = scene.workload();
    scene.called_via(caller, "ec2.amazonaws.com");
    scene.draft.fail("DisabledException", &format!("{} is disabled.", key.arn));
}

fn grant<'w>(scene: &mut Scene<'_, 'w>) -> &'w Key {
    let key = scene.key_for(Purpose::Ebs);
    scene.kms_write("CreateGrant");
    scene.draft.request.open();
    scene.name_key("keyId", key, KeyReference::Arn);
    scene.draft.request.text("granteePrincipal", "ec2.amazonaws.com").close();
    scene.touch_key(key);
    key
}

fn explicit_deny(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::App);
    call(scene, key, &[("tenant", &["t-0001"])]);
    identity::write_foreign(&mut scene.draft.identity, "AIDAEXTERNALPARTNER02", "999988887777", None);
    scene.draft.address.push_str("198.51.100.25");
    scene.draft.fail("AccessDeniedException", "with an explicit deny in a resource-based policy");
}

// Changes in other services.

fn create_volume(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Ebs);
    let volume = scene.random.pick(&scene.place().volumes).as_str();
    scene.begin("ec2.amazonaws.com", "CreateVolume");
    scene.draft.read_only = Some(false);
    scene.draft.request.open().text("size", "80").raw("encrypted", "true").text("kmsKeyId", &key.id).close();
    scene.draft.response.open().text("volumeId", volume).text("status", "creating").text("kmsKeyId", &key.arn).close();
    let caller = scene.role("ci-deployer");
    scene.called_by(caller);
}

fn create_secret(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::Secrets);
    let secret = scene.random.pick(&scene.place().secrets).as_str();
    scene.begin("secretsmanager.amazonaws.com", "CreateSecret");
    scene.draft.read_only = Some(false);
    scene.draft.request.open();
    // An alias says nothing by itself.
    let reference = if scene.random.chance(0.3) { KeyReference::Alias } else { KeyReference::Arn };
    scene.draft.request.text("name", "prod/db");
    scene.name_key("kmsKeyId", key, reference);
    scene.draft.request.close();
    scene.draft.response.open().text("aRN", secret).text("name", "prod/db").close();
    let caller = scene.role("ci-deployer");
    scene.called_by(caller);
    if scene.random.chance(0.2) {
        scene.draft.fail("AccessDeniedException", "not authorized");
    }
}

fn bucket_encryption(scene: &mut Scene<'_, '_>) {
    let key = scene.key_for(Purpose::S3Bucket);
    let bucket = scene.random.pick(&scene.place().buckets).as_str();
    scene.begin("s3.amazonaws.com", "PutBucketEncryption");
    scene.draft.read_only = Some(false);
    scene.draft.request.open().text("bucketName", bucket).member("ServerSideEncryptionConfiguration").open();
    scene.draft.request.member("Rule").open().member("ApplyServerSideEncryptionByDefault").open();
    scene.draft.request.text("SSEAlgorithm", "aws:kms").text("KMSMasterKeyID", &key.id).close().close().close().close();
    let caller = scene.person();
    scene.called_by(caller);
}

/// A policy that names two keys, in JSON within JSON.
fn key_in_policy(scene: &mut Scene<'_, '_>) {
    let keys = [scene.key_for(Purpose::App), scene.key_for(Purpose::Rds)];
    scene.begin("iam.amazonaws.com", "PutRolePolicy");
    scene.draft.read_only = Some(false);
    let policy = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Action":"kms:Decrypt","Resource":["{}","{}"]}}]}}"#,
        keys[0].arn, keys[1].arn
    );
    scene.draft.request.open().text("roleName", "etl-glue-role").escaped("policyDocument", &policy).close();
    let caller = scene.person();
    scene.called_by(caller);
}

//! Calls with a key of account 0 from the other accounts: one call, two records.
//!
//! Both copies are drawn from the same random stream; only what AWS makes different differs.

use super::identity;
use super::kms::{ALGORITHM, write_context};
use super::random::{Weighted, pick_weighted};
use super::scene::{KeyReference, Scene};
use super::world::{Key, Purpose};

/// Which account's copy of the record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Copy {
    /// Delivered to the account of the caller.
    Caller,
    /// Delivered to the account that owns the key: less is told about the caller.
    Owner,
}

const NAMES: &[Weighted<&str>] = &[
    (70, "Decrypt"),
    (18, "GenerateDataKey"),
    (5, "Encrypt"),
    (4, "ReEncrypt"),
    (2, "DescribeKey"),
    (1, "GetPublicKey"),
];

/// Writes one copy of a call across accounts. The scene stands in the caller's place.
pub(crate) fn call(scene: &mut Scene<'_, '_>, copy: Copy) {
    let owner_place = scene.world.place_index(0, scene.place().region);
    let count = scene.world.keys_for(owner_place, Purpose::Shared).count();
    let number = scene.random.skewed(count);
    let key = scene.world.key(owner_place, Purpose::Shared, number);
    let name = pick_weighted(&mut scene.random, NAMES);
    let own_key = scene.key_for(Purpose::App);
    let caller = scene.workload();
    scene.kms(name);
    write_request(scene, name, key);
    if name == "ReEncrypt" && copy == Copy::Caller {
        scene.touch_key(own_key);
    }
    scene.touch_key(key);
    scene.share();
    if name == "Decrypt" || name == "Encrypt" || name == "GenerateDataKey" {
        scene.add_material(key, name == "Decrypt");
    }
    let via = if scene.random.chance(0.3) { Some("s3.amazonaws.com") } else { None };
    match via {
        Some(service) => scene.called_via(caller, service),
        None => scene.called_by(caller),
    }
    if copy == Copy::Owner {
        show_to_owner(scene, &[&caller.id, ":", &caller.session].concat(), via);
    }
}

fn write_request(scene: &mut Scene<'_, '_>, name: &str, key: &Key) {
    let stages: [&str; 3] = ["build", "release", "rollback"];
    let stage = *scene.random.pick_skewed(&stages);
    scene.draft.request.open();
    match name {
        "ReEncrypt" => {
            write_context(scene, "sourceEncryptionContext", &[("artifact", &["private"])]);
            scene.name_key("destinationKeyId", key, KeyReference::Arn);
            write_context(scene, "destinationEncryptionContext", &[("artifact", &[stage])]);
            scene
                .draft
                .request
                .text("sourceEncryptionAlgorithm", ALGORITHM)
                .text("destinationEncryptionAlgorithm", ALGORITHM);
        }
        "DescribeKey" | "GetPublicKey" => scene.name_key("keyId", key, KeyReference::Arn),
        _ => {
            if name != "Decrypt" {
                scene.name_key("keyId", key, KeyReference::Arn);
            }
            write_context(scene, "encryptionContext", &[("artifact", &[stage])]);
            scene.draft.request.text("encryptionAlgorithm", ALGORITHM);
        }
    }
    scene.draft.request.close();
}

fn show_to_owner(scene: &mut Scene<'_, '_>, principal_id: &str, via: Option<&str>) {
    let caller_id = scene.account_id();
    identity::write_foreign(&mut scene.draft.identity, principal_id, caller_id, via);
    scene.draft.recipient = scene.world.account_id(0);
    scene.draft.vpc_endpoint = "";
    scene.draft.event_id.clear();
    scene.random.push_uuid(&mut scene.draft.event_id);
}

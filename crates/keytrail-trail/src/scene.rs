//! One event in the making: where and when it happens, and the vocabulary that the recipes are written in.
//!
//! Which event happens is decided by the recipes in `kms` and `other`.

use super::draft::{Draft, EventKind, Oddity, Resource, ResourceList, Version};
use super::identity;
use super::random::Random;
use super::world::{Blocked, Key, Place, Principal, PrincipalKind, Purpose, World};

/// A recipe fills the draft of one event.
pub(crate) type Recipe = for<'a, 'w> fn(&mut Scene<'a, 'w>);

/// Resource type of KMS keys, and of aliases too.
const KEY_TYPE: &str = "AWS::KMS::Key";

/// Since 2025-06-01 KMS writes the id of the key material.
const MATERIAL_IDS_SINCE: i64 = 1_748_736_000;

/// How a caller names a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyReference {
    Arn,
    Id,
    Alias,
    AliasArn,
}

/// One event in the making.
pub(crate) struct Scene<'a, 'w> {
    pub(crate) world: &'w World,
    pub(crate) place_index: usize,
    pub(crate) time: i64,
    pub(crate) random: Random,
    pub(crate) draft: &'a mut Draft<'w>,
}

impl<'w> Scene<'_, 'w> {
    pub(crate) fn place(&self) -> &'w Place {
        &self.world.places[self.place_index]
    }

    pub(crate) fn account(&self) -> usize {
        self.place().account
    }

    pub(crate) fn account_id(&self) -> &'w str {
        self.world.account_id(self.account())
    }

    pub(crate) fn region(&self) -> &'w str {
        &self.world.regions[self.place().region]
    }

    /// Sets what every record has; recipes may change it.
    pub(crate) fn begin(&mut self, source: &'w str, name: &'w str) {
        let (region, recipient, time) = (self.region(), self.account_id(), self.time);
        self.draft.source = source;
        self.draft.name = name;
        self.draft.region = region;
        self.draft.recipient = recipient;
        self.draft.time = time;
    }

    /// Draws the ids, the version and perhaps an oddity; every record has them.
    pub(crate) fn stamp(&mut self, oddity_rate: f64) {
        self.random.push_uuid(&mut self.draft.request_id);
        self.random.push_uuid(&mut self.draft.event_id);
        self.draft.version = Version::random(&mut self.random);
        if self.random.chance(oddity_rate) {
            self.draft.oddity = Some(Oddity::random(&mut self.random));
        }
    }

    /// A KMS read of the given operation.
    pub(crate) fn kms(&mut self, name: &'w str) {
        self.begin("kms.amazonaws.com", name);
        self.draft.read_only = Some(true);
    }

    pub(crate) fn kms_write(&mut self, name: &'w str) {
        self.begin("kms.amazonaws.com", name);
        self.draft.read_only = Some(false);
    }

    // Who calls.

    /// A workload of the account; the first ones are the busiest.
    pub(crate) fn workload(&mut self) -> &'w Principal {
        let roles = &self.world.accounts[self.account()].roles;
        // The last role belongs to the month-end job, which has its own recipe.
        self.random.pick_skewed(&roles[..roles.len() - 1])
    }

    pub(crate) fn person(&mut self) -> &'w Principal {
        let people = &self.world.accounts[self.account()].people;
        self.random.pick_skewed(people)
    }

    pub(crate) fn role(&self, name: &str) -> &'w Principal {
        let roles = &self.world.accounts[self.account()].roles;
        roles.iter().find(|role| role.name == name).unwrap_or(&roles[0])
    }

    /// The principal calls by itself.
    pub(crate) fn called_by(&mut self, principal: &'w Principal) {
        let account = self.account();
        identity::write_principal(&mut self.draft.identity, self.world, account, principal, self.time, None);
        self.draft.address.push_str(&principal.address);
        self.draft.agent.push_str(principal.agent);
        let service = self.draft.source.trim_end_matches(".amazonaws.com");
        let region = self.region();
        self.draft.tls_host.extend([service, ".", region, ".amazonaws.com"]);
        self.draft.post_quantum = self.random.chance(0.3);
        if principal.kind == PrincipalKind::Role && self.random.chance(0.15) {
            self.draft.vpc_endpoint = &self.place().vpc_endpoint;
        }
    }

    /// A service calls with the credentials of the principal.
    pub(crate) fn called_via(&mut self, principal: &'w Principal, service: &str) {
        let account = self.account();
        identity::write_principal(&mut self.draft.identity, self.world, account, principal, self.time, Some(service));
        self.shown_as(service);
    }

    /// A service calls for itself.
    pub(crate) fn called_by_service(&mut self, service: &str) {
        identity::write_service(&mut self.draft.identity, service);
        self.shown_as(service);
    }

    /// Address and agent are the service's name.
    pub(crate) fn shown_as(&mut self, service: &str) {
        self.draft.address.push_str(service);
        self.draft.agent.push_str(service);
    }

    // What is touched.

    pub(crate) fn key_for(&mut self, purpose: Purpose) -> &'w Key {
        let count = self.world.keys_for(self.place_index, purpose).count();
        let number = self.random.skewed(count);
        self.world.key(self.place_index, purpose, number)
    }

    pub(crate) fn touch_key(&mut self, key: &'w Key) {
        let account_id = self.world.account_id(key.account);
        self.draft.touch(Resource { arn: &key.arn, account_id, kind: KEY_TYPE });
    }

    pub(crate) fn touch_alias(&mut self, key: &'w Key) {
        let account_id = self.world.account_id(key.account);
        self.draft.touch(Resource { arn: &key.alias_arn, account_id, kind: KEY_TYPE });
    }

    pub(crate) fn no_resources(&mut self) {
        self.draft.resource_list = ResourceList::List;
    }

    /// Writes `keyId` (or another name for it) in one of the four forms.
    pub(crate) fn name_key(&mut self, member: &str, key: &Key, reference: KeyReference) {
        let text = match reference {
            KeyReference::Arn => &key.arn,
            KeyReference::Id => &key.id,
            KeyReference::Alias => &key.alias,
            KeyReference::AliasArn => &key.alias_arn,
        };
        self.draft.request.text(member, text);
    }

    /// The form that callers prefer: ARNs from services, all forms from people's code.
    pub(crate) fn some_reference(&mut self) -> KeyReference {
        match self.random.below(100) {
            0..40 => KeyReference::Arn,
            40..60 => KeyReference::Id,
            60..92 => KeyReference::Alias,
            _ => KeyReference::AliasArn,
        }
    }

    /// The material id that a successful symmetric call reports.
    pub(crate) fn material(&mut self, key: &'w Key, opens: bool) -> &'w str {
        let old = self.time < key.rotated || (opens && self.random.chance(0.3));
        &key.materials[usize::from(!old)]
    }

    pub(crate) fn add_material(&mut self, key: &'w Key, opens: bool) {
        if self.time >= MATERIAL_IDS_SINCE && self.draft.version.0 >= 10 {
            let material = self.material(key, opens);
            self.draft.additional.set("");
            self.draft.additional.open().text("keyMaterialId", material).close();
        }
    }

    /// Ends a cryptographic call: touched key, and the failure that the key's state demands.
    pub(crate) fn finish(&mut self, key: &'w Key, symmetric: Option<bool>) {
        self.touch_key(key);
        if let Some(opens) = symmetric {
            self.add_material(key, opens);
        }
        if let Some(blocked) = self.world.blocked(key, self.time) {
            self.block(key, blocked);
        }
    }

    fn block(&mut self, key: &'w Key, blocked: Blocked) {
        match blocked {
            Blocked::Disabled => self.draft.fail("DisabledException", &format!("{} is disabled.", key.arn)),
            Blocked::PendingDeletion => {
                let code = if self.random.chance(0.5) { "KMSInvalidStateException" } else { "DisabledException" };
                self.draft.fail(code, &format!("{} is pending deletion.", key.arn));
            }
            Blocked::Deleted => self.draft.fail("NotFoundException", &format!("Key '{}' does not exist", key.arn)),
        }
        // Some failures name the key in their message only.
        if blocked == Blocked::Deleted || self.random.chance(0.5) {
            self.forget_resources();
        }
    }

    pub(crate) fn forget_resources(&mut self) {
        self.draft.resources.clear();
        self.draft.resource_list = ResourceList::Null;
    }

    /// Turns the record into an event that AWS made by itself.
    pub(crate) fn as_service_event(&mut self) {
        self.draft.kind = EventKind::ServiceEvent;
        self.draft.request_id.clear();
        let account_id = self.account_id();
        identity::write_untyped(&mut self.draft.identity, account_id);
        self.draft.address.clear();
        self.draft.agent.clear();
        self.draft.tls_host.clear();
        self.shown_as("AWS Internal");
    }

    /// Gives the record an id that copies in other accounts have too.
    pub(crate) fn share(&mut self) {
        self.random.push_uuid(&mut self.draft.shared_event_id);
    }
}

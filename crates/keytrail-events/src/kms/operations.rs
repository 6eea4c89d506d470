//! The one table of KMS operations: what each does to a key, in one row per operation.
//!
//! Names that are not in it stay data: [`operation`] gives `None` and their class is [`OperationClass::Unknown`].
//! It says nothing about one call: see [`super::outcome`] for that.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// What kind of thing an operation does; the words of the column `operation_class`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationClass {
    /// Makes ciphertext from plaintext.
    Encrypt,
    /// Opens ciphertext.
    Decrypt,
    /// Opens ciphertext with one key and makes ciphertext with another.
    ReEncrypt,
    /// Makes a data key or a data key pair, wrapped by the key.
    GenerateDataKey,
    /// Signs.
    Sign,
    /// Verifies a signature.
    Verify,
    /// Makes or verifies a MAC.
    Mac,
    /// Derives a shared secret.
    Derive,
    /// Makes a shared secret and its ciphertext.
    Encapsulate,
    /// Recovers a shared secret from its ciphertext.
    Decapsulate,
    /// Makes random bytes; touches no key.
    Random,
    /// Hands out a public key, which may then be used outside KMS without a trace.
    PublicKey,
    /// Changes a key, an alias, a grant, a tag, a policy or a key store.
    Management,
    /// Reads about keys, aliases, grants, tags, policies or key stores.
    Metadata,
    /// AWS's own doing, reported as an event: rotation, deletion, expiry, synchronisation.
    Service,
    /// A name that is not in [`OPERATIONS`].
    Unknown,
}

impl OperationClass {
    /// The word in the column `operation_class`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::ReEncrypt => "re_encrypt",
            Self::GenerateDataKey => "generate_data_key",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Mac => "mac",
            Self::Derive => "derive",
            Self::Encapsulate => "encapsulate",
            Self::Decapsulate => "decapsulate",
            Self::Random => "random",
            Self::PublicKey => "public_key",
            Self::Management => "management",
            Self::Metadata => "metadata",
            Self::Service => "service",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether an operation reads or writes in CloudTrail's sense.
///
/// A trail's read/write selector goes by this, and every cryptographic call is a read:
/// a write-only trail shows key administration and no use at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Logged with `readOnly` true.
    Read,
    /// Logged with `readOnly` false.
    Write,
    /// Made by AWS, not by a caller.
    Aws,
}

impl Access {
    /// The word for it: `read`, `write` or `aws`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Aws => "aws",
        }
    }
}

/// One KMS operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The event name.
    pub name: &'static str,
    /// What kind of thing it does.
    pub class: OperationClass,
    /// Whether it reads or writes.
    pub access: Access,
    /// `GetKeyLastUsage` counts its successes: a success is a use of the key.
    pub is_usage_tracked: bool,
    /// It makes ciphertext that only the key can open again.
    pub is_ciphertext_creating: bool,
    /// It takes an encryption context.
    pub takes_context: bool,
    /// It may name a key of another account.
    pub is_cross_account: bool,
    /// It has the parameter `DryRun`.
    pub has_dry_run: bool,
}

impl Operation {
    const fn new(name: &'static str, class: OperationClass, access: Access) -> Self {
        Self {
            name,
            class,
            access,
            is_usage_tracked: false,
            is_ciphertext_creating: false,
            takes_context: false,
            is_cross_account: false,
            has_dry_run: false,
        }
    }

    /// A cryptographic call on a key: tracked, open to other accounts, with a dry run, all of them without exception.
    const fn cryptographic(name: &'static str, class: OperationClass) -> Self {
        let operation = Self::new(name, class, Access::Read);
        Self { is_usage_tracked: true, is_cross_account: true, has_dry_run: true, ..operation }
    }

    const fn metadata(name: &'static str) -> Self {
        Self::new(name, OperationClass::Metadata, Access::Read)
    }

    const fn management(name: &'static str) -> Self {
        Self::new(name, OperationClass::Management, Access::Write)
    }

    const fn made_by_aws(name: &'static str) -> Self {
        Self::new(name, OperationClass::Service, Access::Aws)
    }

    const fn creating_ciphertext(self) -> Self {
        Self { is_ciphertext_creating: true, ..self }
    }

    const fn with_context(self) -> Self {
        Self { takes_context: true, ..self }
    }

    const fn across_accounts(self) -> Self {
        Self { is_cross_account: true, ..self }
    }

    const fn with_dry_run(self) -> Self {
        Self { has_dry_run: true, ..self }
    }
}

use OperationClass::{
    Decapsulate, Decrypt, Derive, Encapsulate, Encrypt, GenerateDataKey, Mac, PublicKey, Random, ReEncrypt, Sign,
    Verify,
};

/// Every operation that CloudTrail reports for KMS: the API's own, and the events that AWS makes.
pub static OPERATIONS: &[Operation] = &[
    Operation::cryptographic("Encrypt", Encrypt).creating_ciphertext().with_context(),
    Operation::cryptographic("Decrypt", Decrypt).with_context(),
    Operation::cryptographic("ReEncrypt", ReEncrypt).creating_ciphertext().with_context(),
    Operation::cryptographic("GenerateDataKey", GenerateDataKey).creating_ciphertext().with_context(),
    Operation::cryptographic("GenerateDataKeyWithoutPlaintext", GenerateDataKey).creating_ciphertext().with_context(),
    Operation::cryptographic("GenerateDataKeyPair", GenerateDataKey).creating_ciphertext().with_context(),
    Operation::cryptographic("GenerateDataKeyPairWithoutPlaintext", GenerateDataKey)
        .creating_ciphertext()
        .with_context(),
    Operation::cryptographic("Sign", Sign),
    Operation::cryptographic("Verify", Verify),
    Operation::cryptographic("GenerateMac", Mac),
    Operation::cryptographic("VerifyMac", Mac),
    Operation::cryptographic("DeriveSharedSecret", Derive),
    Operation::cryptographic("Encapsulate", Encapsulate).creating_ciphertext(),
    Operation::cryptographic("Decapsulate", Decapsulate),
    Operation::new("GenerateRandom", Random, Access::Read),
    Operation::new("GetPublicKey", PublicKey, Access::Read).across_accounts(),
    Operation::metadata("DescribeCustomKeyStores"),
    Operation::metadata("DescribeKey").across_accounts(),
    Operation::metadata("GetKeyLastUsage"),
    Operation::metadata("GetKeyPolicy"),
    Operation::metadata("GetKeyRotationStatus").across_accounts(),
    Operation::metadata("GetParametersForImport"),
    Operation::metadata("ListAliases"),
    Operation::metadata("ListGrants").across_accounts(),
    Operation::metadata("ListKeyPolicies"),
    Operation::metadata("ListKeyRotations"),
    Operation::metadata("ListKeys"),
    Operation::metadata("ListResourceTags"),
    Operation::metadata("ListRetirableGrants"),
    Operation::management("CancelKeyDeletion"),
    Operation::management("ConnectCustomKeyStore"),
    Operation::management("CreateAlias"),
    Operation::management("CreateCustomKeyStore"),
    Operation::management("CreateGrant").across_accounts().with_dry_run(),
    Operation::management("CreateKey"),
    Operation::management("DeleteAlias"),
    Operation::management("DeleteCustomKeyStore"),
    Operation::management("DeleteImportedKeyMaterial"),
    Operation::management("DisableKey"),
    Operation::management("DisableKeyRotation"),
    Operation::management("DisconnectCustomKeyStore"),
    Operation::management("EnableKey"),
    Operation::management("EnableKeyRotation"),
    Operation::management("ImportKeyMaterial"),
    Operation::management("PutKeyPolicy"),
    Operation::management("ReplicateKey"),
    Operation::management("RetireGrant").across_accounts().with_dry_run(),
    Operation::management("RevokeGrant").across_accounts().with_dry_run(),
    Operation::management("RotateKeyOnDemand"),
    Operation::management("ScheduleKeyDeletion"),
    Operation::management("TagResource"),
    Operation::management("UntagResource"),
    Operation::management("UpdateAlias"),
    Operation::management("UpdateCustomKeyStore"),
    Operation::management("UpdateKeyDescription"),
    Operation::management("UpdatePrimaryRegion"),
    Operation::made_by_aws("DeleteExpiredKeyMaterial"),
    Operation::made_by_aws("DeleteKey"),
    Operation::made_by_aws("RotateKey"),
    Operation::made_by_aws("SynchronizeMultiRegionKey"),
];

static BY_NAME: LazyLock<FxHashMap<&'static str, &'static Operation>> =
    LazyLock::new(|| OPERATIONS.iter().map(|operation| (operation.name, operation)).collect());

/// The operation of an event name; `None` = not known to this version.
pub fn operation(name: &str) -> Option<&'static Operation> {
    BY_NAME.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_where(is_wanted: impl Fn(&Operation) -> bool) -> Vec<&'static str> {
        let mut names: Vec<_> =
            OPERATIONS.iter().filter(|operation| is_wanted(operation)).map(|operation| operation.name).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn each_operation_stands_once_and_is_found() {
        // 56 operations of the service model and 4 events that AWS makes (domain §3).
        assert_eq!(names_where(|_| true).len(), 60);
        assert_eq!(BY_NAME.len(), OPERATIONS.len());
        for row in OPERATIONS {
            assert_eq!(operation(row.name), Some(row));
        }
        assert_eq!(operation("decrypt"), None);
        assert_eq!(operation("ReEncryptFrom"), None, "a permission, never an event name");
    }

    #[test]
    fn usage_tracked_are_those_of_get_key_last_usage() {
        let tracked = names_where(|operation| operation.is_usage_tracked);
        assert_eq!(
            tracked,
            [
                "Decapsulate",
                "Decrypt",
                "DeriveSharedSecret",
                "Encapsulate",
                "Encrypt",
                "GenerateDataKey",
                "GenerateDataKeyPair",
                "GenerateDataKeyPairWithoutPlaintext",
                "GenerateDataKeyWithoutPlaintext",
                "GenerateMac",
                "ReEncrypt",
                "Sign",
                "Verify",
                "VerifyMac",
            ]
        );
    }

    #[test]
    fn ciphertext_and_context_and_dry_run_sets() {
        let creating = names_where(|operation| operation.is_ciphertext_creating);
        let with_context = names_where(|operation| operation.takes_context);
        let data_keys = [
            "GenerateDataKey",
            "GenerateDataKeyPair",
            "GenerateDataKeyPairWithoutPlaintext",
            "GenerateDataKeyWithoutPlaintext",
        ];
        assert_eq!(creating, [&["Encapsulate", "Encrypt"], &data_keys[..], &["ReEncrypt"]].concat());
        assert_eq!(with_context, [&["Decrypt", "Encrypt"], &data_keys[..], &["ReEncrypt"]].concat());
        let dry_run_only = names_where(|operation| operation.has_dry_run && !operation.is_usage_tracked);
        assert_eq!(dry_run_only, ["CreateGrant", "RetireGrant", "RevokeGrant"]);
    }

    #[test]
    fn tracked_operations_read_and_write_nothing_but_ciphertext() {
        for row in OPERATIONS.iter().filter(|operation| operation.is_usage_tracked) {
            assert_eq!(row.access, Access::Read, "{}", row.name);
        }
        assert!(OPERATIONS.iter().all(|row| !row.is_ciphertext_creating || row.is_usage_tracked));
        assert!(
            OPERATIONS.iter().all(|row| (row.access == Access::Write) == (row.class == OperationClass::Management))
        );
    }
}

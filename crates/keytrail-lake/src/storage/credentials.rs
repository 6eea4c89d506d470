//! AWS credentials for the object store, from the chain that AWS's own tools use, renewed while a run lasts.
//!
//! It holds them in memory only and shows them nowhere.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::Mutex;

use crate::clock;

/// Renewed this long before they expire, so that no request is signed with credentials about to fail.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);

/// Keys that do not change while a run lasts.
#[derive(Clone, PartialEq, Eq)]
pub struct StaticCredentials {
    /// The access key id; public.
    pub access_key_id: String,
    /// The secret that signs requests.
    pub secret_access_key: String,
    /// The token of temporary keys; `None` = the keys are lasting ones.
    pub session_token: Option<String>,
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticCredentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl From<&StaticCredentials> for AwsCredential {
    fn from(keys: &StaticCredentials) -> Self {
        Self {
            key_id: keys.access_key_id.clone(),
            secret_key: keys.secret_access_key.clone(),
            token: keys.session_token.clone(),
        }
    }
}

/// A provider of AWS's SDK as object_store wants it, with a cache: the SDK's providers ask the network each time.
pub(super) struct ChainCredentials {
    provider: SharedCredentialsProvider,
    cached: Mutex<Option<Cached>>,
}

struct Cached {
    credential: Arc<AwsCredential>,
    expiry: Option<SystemTime>,
}

impl ChainCredentials {
    pub(super) fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, cached: Mutex::new(None) }
    }
}

impl fmt::Debug for ChainCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainCredentials")
    }
}

#[async_trait]
impl CredentialProvider for ChainCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        // Held while the chain is asked: many requests start at once, and one answer serves them all.
        let mut cached = self.cached.lock().await;
        if let Some(known) = cached.as_ref().filter(|known| known.is_fresh_at(clock::now().into())) {
            return Ok(Arc::clone(&known.credential));
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                let fresh = Cached::from(&credentials);
                let credential = Arc::clone(&fresh.credential);
                *cached = Some(fresh);
                Ok(credential)
            }
            Err(error) => still_valid(cached.as_ref(), clock::now().into())
                .ok_or_else(|| object_store::Error::Generic { store: "S3", source: Box::new(error) }),
        }
    }
}

/// The known credentials while they last: a failing renewal is tried again at the next request.
fn still_valid(cached: Option<&Cached>, now: SystemTime) -> Option<Arc<AwsCredential>> {
    let known = cached?;
    known.expiry.is_some_and(|expiry| expiry > now).then(|| Arc::clone(&known.credential))
}

impl Cached {
    fn is_fresh_at(&self, now: SystemTime) -> bool {
        self.expiry.is_none_or(|expiry| expiry > now + RENEW_BEFORE)
    }
}

impl From<&Credentials> for Cached {
    fn from(credentials: &Credentials) -> Self {
        let credential = AwsCredential {
            key_id: credentials.access_key_id().to_owned(),
            secret_key: credentials.secret_access_key().to_owned(),
            token: credentials.session_token().map(str::to_owned),
        };
        Self { credential: Arc::new(credential), expiry: credentials.expiry() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;

    use super::*;

    /// Gives `key-1`, `key-2` … that live for `lifetime`, and fails from the third call on.
    #[derive(Debug)]
    struct Scripted {
        calls: AtomicUsize,
        lifetime: Option<Duration>,
    }

    impl ProvideCredentials for Scripted {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            let expiry = self.lifetime.map(|lifetime| SystemTime::from(clock::now()) + lifetime);
            future::ProvideCredentials::ready(match call {
                1 | 2 => Ok(Credentials::new(format!("key-{call}"), "secret", None, expiry, "test")),
                _ => Err(CredentialsError::not_loaded("no more")),
            })
        }
    }

    async fn keys_given(lifetime: Option<Duration>) -> Vec<Option<String>> {
        let scripted = Scripted { calls: AtomicUsize::new(0), lifetime };
        let chain = ChainCredentials::new(SharedCredentialsProvider::new(scripted));
        let mut keys = Vec::new();
        for _ in 0..4 {
            keys.push(chain.get_credential().await.ok().map(|credential| credential.key_id.clone()));
        }
        keys
    }

    #[tokio::test]
    async fn lasting_credentials_are_asked_for_once() {
        for lifetime in [None, Some(Duration::from_secs(3600))] {
            assert_eq!(keys_given(lifetime).await, vec![Some("key-1".to_owned()); 4], "{lifetime:?}");
        }
    }

    #[tokio::test]
    async fn expiring_credentials_are_renewed_and_used_while_renewal_fails() {
        let keys = keys_given(Some(Duration::from_secs(60))).await;
        let expected = ["key-1", "key-2", "key-2", "key-2"].map(|key| Some(key.to_owned()));
        assert_eq!(keys, expected);
    }

    #[tokio::test]
    async fn expired_credentials_are_not_used() {
        assert_eq!(keys_given(Some(Duration::ZERO)).await.last(), Some(&None));
    }
}

//! An S3 bucket as an object store: endpoint, region and credentials as AWS's own tools find them.
//!
//! It sends nothing by itself except what the credential chain needs; with keys in the environment that is nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use object_store::aws::{AmazonS3Builder, resolve_bucket_region};
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, RetryConfig, StaticCredentialProvider};
use url::{Host, Url};

use super::credentials::ChainCredentials;
use super::{MAX_RETRIES, RETRY_BUDGET, Storage, StorageOptions};
use crate::error::LakeError;
use crate::location::Location;

/// A whole request with its body; parts are 8 MiB, so this is a very slow line.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(180);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Servers with an endpoint of their own rarely care for a region, but a signature needs one.
const DEFAULT_REGION: &str = "us-east-1";

/// Opens a bucket, with the given key prefix.
pub(super) async fn open(
    location: &Location,
    bucket: &str,
    prefix: &str,
    options: &StorageOptions,
) -> Result<Storage, LakeError> {
    let invalid = |reason: String| LakeError::InvalidLocation { location: location.to_string(), reason };
    let key_prefix = Path::parse(prefix).map_err(|error| invalid(error.to_string()))?;
    let url = Url::parse(&format!("s3://{bucket}")).map_err(|error| invalid(error.to_string()))?;
    let config = load_config(options).await;
    let endpoint = endpoint_of(&config, options);
    let allow_http = match &endpoint {
        Some(endpoint) => is_http_allowed(endpoint, options.allow_http).map_err(invalid)?,
        None => false,
    };
    let region = match (config.region(), &endpoint) {
        (Some(region), _) => region.as_ref().to_owned(),
        (None, Some(_)) => DEFAULT_REGION.to_owned(),
        (None, None) => resolve_bucket_region(bucket, &client_options())
            .await
            .map_err(|error| LakeError::storage(location, error))?,
    };
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_client_options(client_options().with_allow_http(allow_http))
        .with_http_connector(options.requests.clone())
        .with_retry(retries())
        // Buckets with a dot in their name have no certificate for their own host.
        .with_virtual_hosted_style_request(endpoint.is_none() && !bucket.contains('.'));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder = match (&options.credentials, config.credentials_provider()) {
        (Some(keys), _) => builder.with_credentials(Arc::new(StaticCredentialProvider::new(keys.into()))),
        (None, Some(provider)) => builder.with_credentials(Arc::new(ChainCredentials::new(provider))),
        (None, None) => builder,
    };
    let store = builder.build().map_err(|error| LakeError::storage(location, error))?;
    Ok(Storage::new(location.clone(), Arc::new(store), key_prefix, url))
}

fn client_options() -> ClientOptions {
    ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT)
}

fn retries() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: MAX_RETRIES, retry_timeout: RETRY_BUDGET }
}

/// Region, endpoint and credential chain; profile files are read here, the network is not asked for credentials yet.
async fn load_config(options: &StorageOptions) -> SdkConfig {
    let http_client = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let region = region_chain(options).region().await;
    let mut loader = aws_config::defaults(behavior_version()).http_client(http_client.clone()).region(region.clone());
    if let Some(profile) = &options.profile {
        let provider_config = ProviderConfig::default().with_http_client(http_client).with_region(region);
        let provider =
            ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&provider_config).build();
        loader = loader.profile_name(profile).credentials_provider(SharedCredentialsProvider::new(provider));
    }
    loader.load().await
}

/// The SDK's newest defaults at the time of writing, named so that an update of the SDK does not change them.
fn behavior_version() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Option, environment, profile; then instance metadata, unless the environment shows that this is no instance role.
fn region_chain(options: &StorageOptions) -> RegionProviderChain {
    let mut profile = ProfileFileRegionProvider::builder();
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let chain = RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    let has_keys = std::env::var_os("AWS_ACCESS_KEY_ID").is_some();
    if has_keys || options.endpoint_url.is_some() {
        return chain;
    }
    chain.or_else(aws_config::imds::region::ImdsRegionProvider::builder().build())
}

/// The option, else what the SDK would use for S3.
fn endpoint_of(config: &SdkConfig, options: &StorageOptions) -> Option<String> {
    let of_s3 = || std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    let endpoint = options.endpoint_url.clone().or_else(of_s3).or_else(|| config.endpoint_url().map(str::to_owned))?;
    Some(endpoint.trim_end_matches('/').to_owned())
}

/// Whether the endpoint's plain `http` may be used; an error says that it may not.
fn is_http_allowed(endpoint: &str, allow_http: bool) -> Result<bool, String> {
    let url = Url::parse(endpoint).map_err(|error| format!("endpoint `{endpoint}`: {error}"))?;
    match url.scheme() {
        "https" => Ok(allow_http),
        "http" if allow_http || is_loopback(&url) => Ok(true),
        "http" => Err(format!("endpoint `{endpoint}` is not encrypted, plain http must be allowed explicitly")),
        _ => Err(format!("endpoint `{endpoint}` is neither http nor https")),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_or_on_demand() {
        for (endpoint, without, with) in [
            ("https://s3.example", Some(false), Some(true)),
            ("http://127.0.0.1:9000", Some(true), Some(true)),
            ("http://[::1]:9000", Some(true), Some(true)),
            ("http://localhost", Some(true), Some(true)),
            ("http://s3.example", None, Some(true)),
            ("http://127.0.0.1.example", None, Some(true)),
            ("ftp://127.0.0.1", None, None),
            ("127.0.0.1:9000", None, None),
        ] {
            assert_eq!(is_http_allowed(endpoint, false).ok(), without, "{endpoint}");
            assert_eq!(is_http_allowed(endpoint, true).ok(), with, "{endpoint}");
        }
    }

    #[tokio::test]
    async fn a_bucket_behind_an_endpoint_opens_without_the_network() {
        let location = Location::parse("s3://bucket/a/lake").expect("a location");
        let options = StorageOptions {
            endpoint_url: Some("http://127.0.0.1:1/".to_owned()),
            region: Some("eu-central-1".to_owned()),
            ..StorageOptions::default()
        };
        let storage = open(&location, "bucket", "a/lake", &options).await.expect("a store");
        assert_eq!(storage.prefix().as_ref(), "a/lake");
        assert_eq!(storage.url().as_str(), "s3://bucket");
    }

    #[tokio::test]
    async fn a_remote_endpoint_without_encryption_is_refused() {
        let location = Location::parse("s3://bucket").expect("a location");
        let options =
            StorageOptions { endpoint_url: Some("http://s3.example".to_owned()), ..StorageOptions::default() };
        let error = open(&location, "bucket", "", &options).await.expect_err("plain http");
        assert!(matches!(error, LakeError::InvalidLocation { .. }), "{error}");
    }
}

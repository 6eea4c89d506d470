//! The objects that lie beside log files in the same tree: digests, Insights, network activity, aggregated events.
//!
//! None of them holds API events. Digests carry true hashes of their log files but no signature.

use super::json::{JsonText, time_text};
use super::random::Random;
use super::world::{Place, Purpose, World};
use sha2::{Digest as _, Sha256};

/// The log file a digest vouches for.
pub(crate) struct DigestedFile<'a> {
    pub(crate) key: &'a str,
    /// The uncompressed content.
    pub(crate) text: &'a str,
    pub(crate) delivery: i64,
}

const BUCKET: &str = "acme-trail-logs";

/// A digest file with one log file.
pub(crate) fn digest_text(world: &World, place: &Place, object: &str, file: &DigestedFile<'_>) -> String {
    let mut json = JsonText::default();
    let (from, to) = (time_text(file.delivery - 1_800), time_text(file.delivery + 1_800));
    json.open()
        .text("awsAccountId", world.account_id(place.account))
        .text("digestStartTime", &from)
        .text("digestEndTime", &to);
    json.text("digestS3Bucket", BUCKET)
        .text("digestS3Object", object)
        .text("digestPublicKeyFingerprint", "31e8b5433410dfb61a9dc45cc65b22ff");
    json.text("digestSignatureAlgorithm", "SHA256withRSA").text("newestEventTime", &to).text("oldestEventTime", &from);
    for name in [
        "previousDigestS3Bucket",
        "previousDigestS3Object",
        "previousDigestHashValue",
        "previousDigestHashAlgorithm",
        "previousDigestSignature",
    ] {
        json.raw(name, "null");
    }
    json.member("logFiles").open_list().open().text("s3Bucket", BUCKET).text("s3Object", file.key);
    json.text("hashValue", &hex(&Sha256::digest(file.text.as_bytes()))).text("hashAlgorithm", "SHA-256");
    json.text("newestEventTime", &to).text("oldestEventTime", &from).close().close_list().close();
    json.as_str().to_owned()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

/// Start and end of an unusual rate of API calls.
pub(crate) fn insight_text(world: &World, place: &Place, time: i64, random: &mut Random) -> String {
    let shared = random.uuid();
    let mut json = JsonText::default();
    json.open().member("Records").open_list();
    for state in ["Start", "End"] {
        json.open()
            .text("eventVersion", "1.08")
            .time("eventTime", time)
            .text("awsRegion", &world.regions[place.region]);
        json.text("eventID", &random.uuid())
            .text("eventType", "AwsCloudTrailInsight")
            .text("recipientAccountId", world.account_id(place.account));
        json.text("sharedEventID", &shared)
            .member("insightDetails")
            .open()
            .text("state", state)
            .text("eventSource", "kms.amazonaws.com");
        json.text("eventName", "Decrypt").text("insightType", "ApiCallRateInsight");
        json.raw("insightContext", r#"{"statistics":{"baseline":{"average":12.5},"insight":{"average":842.0},"insightDuration":3,"baselineDuration":10080}}"#).close();
        json.text("eventCategory", "Insight").close();
    }
    json.close_list().close();
    json.as_str().to_owned()
}

/// Calls through a VPC endpoint: they repeat management events and are not calls of their own.
pub(crate) fn network_activity_text(world: &World, place_index: usize, time: i64, random: &mut Random) -> String {
    let place = &world.places[place_index];
    let account = world.account_id(place.account);
    let mut json = JsonText::default();
    json.open().member("Records").open_list();
    for (name, error) in [("Decrypt", ""), ("ListKeys", ""), ("GenerateDataKey", "VpceAccessDenied")] {
        json.open().text("eventVersion", "1.09").member("userIdentity").open().text("type", "AWSAccount");
        json.text("principalId", "AROAEXAMPLE:session").text("accountId", account).close().time("eventTime", time);
        json.text("eventSource", "kms.amazonaws.com")
            .text("eventName", name)
            .text("awsRegion", &world.regions[place.region])
            .text("sourceIPAddress", "10.0.12.7");
        if !error.is_empty() {
            json.text("errorCode", error).text("errorMessage", "The request was denied due to a VPC endpoint policy");
        }
        json.text("requestID", &random.uuid()).text("eventID", &random.uuid()).text("eventType", "AwsVpceEvent");
        json.member("resources")
            .open_list()
            .open()
            .text("type", "AWS::KMS::Key")
            .text("ARN", &world.key(place_index, Purpose::App, 0).arn)
            .close()
            .close_list();
        json.text("recipientAccountId", account)
            .text("sharedEventID", &random.uuid())
            .text("vpcEndpointId", &place.vpc_endpoint);
        json.text("vpcEndpointAccountId", account).text("eventCategory", "NetworkActivity").close();
    }
    json.close_list().close();
    json.as_str().to_owned()
}

/// Five-minute summaries of data events: a top-level array, lower-case `eventId`, no event name.
pub(crate) fn aggregated_text(world: &World, place: &Place, time: i64, random: &mut Random) -> String {
    let mut json = JsonText::default();
    json.open_list()
        .open()
        .text("eventVersion", "1.0")
        .text("accountId", world.account_id(place.account))
        .text("eventId", &random.uuid());
    json.text("eventCategory", "Aggregated")
        .text("eventType", "AwsAggregatedEvent")
        .text("awsRegion", &world.regions[place.region]);
    json.text("eventSource", "s3.amazonaws.com")
        .member("timeWindow")
        .open()
        .time("windowStart", time - 300)
        .time("windowEnd", time)
        .text("windowSize", "PT5M")
        .close();
    json.raw("summary", r#"{"primaryDimension":{"dimension":"eventName","statistics":[{"name":"GetObject","value":4182}],"aggregationType":"Count"},"details":[]}"#);
    json.close().close_list();
    json.as_str().to_owned()
}

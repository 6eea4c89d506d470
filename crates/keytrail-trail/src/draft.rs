//! One event record before it becomes text: its members, and the text in the order AWS writes them.
//!
//! What the members hold is decided by the recipes; the type oddities of real logs are applied here.

use super::json::{JsonText, push_time, push_time_without_zone};
use super::random::{Random, Weighted, pick_weighted};

/// The event version of a record; newer ones have more members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(pub(crate) u8);

const VERSIONS: &[Weighted<u8>] = &[(700, 11), (50, 10), (80, 9), (140, 8), (24, 5), (4, 2), (2, 0)];

impl Version {
    pub(crate) const NEWEST: Self = Self(11);

    pub(crate) fn random(random: &mut Random) -> Self {
        Self(pick_weighted(random, VERSIONS))
    }

    fn text(self) -> &'static str {
        match self.0 {
            0 => "1.0",
            2 => "1.02",
            5 => "1.05",
            8 => "1.08",
            9 => "1.09",
            10 => "1.10",
            _ => "1.11",
        }
    }

    /// From 1.07 on a record has an event category; 1.06 brought `managementEvent`.
    fn has_category(self) -> bool {
        self.0 >= 7
    }

    /// Version 1.0 knew neither `eventID` nor `recipientAccountId`.
    fn has_event_id(self) -> bool {
        self.0 >= 1
    }
}

/// What real logs do to a record now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// `"readOnly":"true"`, `"managementEvent":"true"`.
    TextBooleans,
    /// The request parameters are withheld.
    HiddenParameters,
    /// The request parameters were too large.
    OmittedParameters,
    /// Members that no documentation names, with numbers that must not be rounded.
    UnknownMembers,
    /// Event id and resources first.
    MemberOrder,
    /// `\u003d` and `\/` in texts.
    Escapes,
    /// Spaces and line ends between the members.
    Spaces,
    /// Fractions of a second in the event time.
    FractionalTime,
    /// Another offset than `Z` in the event time.
    OffsetTime,
    /// `"userIdentity":null`.
    NullIdentity,
    /// `readOnly` is left out.
    NoReadOnly,
    /// Resources named by `arn`, without `type`.
    LowerCaseResources,
    /// Letters beyond ASCII.
    Unicode,
}

const ODDITIES: &[Oddity] = &[
    Oddity::TextBooleans,
    Oddity::HiddenParameters,
    Oddity::OmittedParameters,
    Oddity::UnknownMembers,
    Oddity::MemberOrder,
    Oddity::Escapes,
    Oddity::Spaces,
    Oddity::FractionalTime,
    Oddity::OffsetTime,
    Oddity::NullIdentity,
    Oddity::NoReadOnly,
    Oddity::LowerCaseResources,
    Oddity::Unicode,
];

impl Oddity {
    pub(crate) fn random(random: &mut Random) -> Self {
        *random.pick(ODDITIES)
    }
}

/// What kind of event the record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum EventKind {
    #[default]
    ApiCall,
    ServiceEvent,
    ConsoleSignIn,
    /// A data event: `managementEvent` false, category Data.
    DataEvent,
}

/// A touched resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'w> {
    pub(crate) arn: &'w str,
    pub(crate) account_id: &'w str,
    pub(crate) kind: &'static str,
}

/// The `resources` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum ResourceList {
    /// The member is left out.
    #[default]
    Absent,
    Null,
    /// A list, possibly empty.
    List,
}

/// One event record in parts. Empty JSON means that the member is left out.
#[derive(Debug)]
pub(crate) struct Draft<'w> {
    pub(crate) version: Version,
    pub(crate) oddity: Option<Oddity>,
    pub(crate) time: i64,
    pub(crate) source: &'w str,
    pub(crate) name: &'w str,
    pub(crate) region: &'w str,
    pub(crate) recipient: &'w str,
    pub(crate) kind: EventKind,
    pub(crate) identity: JsonText,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) error_code: &'w str,
    pub(crate) error_message: String,
    pub(crate) request: JsonText,
    pub(crate) response: JsonText,
    pub(crate) additional: JsonText,
    pub(crate) details: JsonText,
    pub(crate) request_id: String,
    pub(crate) event_id: String,
    pub(crate) read_only: Option<bool>,
    pub(crate) resource_list: ResourceList,
    pub(crate) resources: Vec<Resource<'w>>,
    pub(crate) shared_event_id: String,
    pub(crate) vpc_endpoint: &'w str,
    /// Host of the TLS connection; empty = a service called.
    pub(crate) tls_host: String,
    pub(crate) post_quantum: bool,
    pub(crate) delivery_delayed: bool,
}

impl<'w> Draft<'w> {
    pub(crate) fn new() -> Self {
        Self {
            version: Version::NEWEST,
            oddity: None,
            time: 0,
            source: "",
            name: "",
            region: "",
            recipient: "",
            kind: EventKind::ApiCall,
            identity: JsonText::default(),
            address: String::new(),
            agent: String::new(),
            error_code: "",
            error_message: String::new(),
            request: JsonText::default(),
            response: JsonText::default(),
            additional: JsonText::default(),
            details: JsonText::default(),
            request_id: String::new(),
            event_id: String::new(),
            read_only: None,
            resource_list: ResourceList::Absent,
            resources: Vec::new(),
            shared_event_id: String::new(),
            vpc_endpoint: "",
            tls_host: String::new(),
            post_quantum: false,
            delivery_delayed: false,
        }
    }

    /// Empties the draft for the next record; the buffers stay.
    pub(crate) fn reset(&mut self) {
        for json in [&mut self.identity, &mut self.request, &mut self.response, &mut self.additional, &mut self.details]
        {
            json.clear();
        }
        for text in [
            &mut self.address,
            &mut self.agent,
            &mut self.error_message,
            &mut self.request_id,
            &mut self.event_id,
            &mut self.shared_event_id,
            &mut self.tls_host,
        ] {
            text.clear();
        }
        self.resources.clear();
        (self.error_code, self.vpc_endpoint, self.source, self.name) = ("", "", "", "");
        (self.version, self.oddity, self.kind) = (Version::NEWEST, None, EventKind::ApiCall);
        (self.read_only, self.resource_list) = (None, ResourceList::Absent);
        (self.post_quantum, self.delivery_delayed) = (false, false);
    }

    pub(crate) fn touch(&mut self, resource: Resource<'w>) {
        self.resource_list = ResourceList::List;
        self.resources.push(resource);
    }

    pub(crate) fn fail(&mut self, code: &'w str, message: &str) {
        self.error_code = code;
        self.error_message.clear();
        self.error_message.push_str(message);
        self.response.set("null");
        self.additional.clear();
    }

    /// Appends the record's text.
    pub(crate) fn write(&self, out: &mut JsonText) {
        let before = out.as_str().len();
        out.open();
        if self.oddity == Some(Oddity::MemberOrder) {
            self.write_ids(out);
            self.write_resources(out);
        }
        self.write_head(out);
        self.write_parameters(out);
        if self.oddity != Some(Oddity::MemberOrder) {
            self.write_ids(out);
            self.write_flags(out);
            self.write_resources(out);
        } else {
            self.write_flags(out);
        }
        self.write_tail(out);
        out.close();
        if matches!(self.oddity, Some(Oddity::Escapes | Oddity::Spaces)) {
            self.disguise(out, before);
        }
    }

    fn write_head(&self, out: &mut JsonText) {
        out.text("eventVersion", self.version.text());
        let null_identity = self.oddity == Some(Oddity::NullIdentity) || self.identity.is_empty();
        out.raw("userIdentity", if null_identity { "null" } else { self.identity.as_str() });
        self.write_time(out);
        out.text("eventSource", self.source).text("eventName", self.name).text("awsRegion", self.region);
        out.text("sourceIPAddress", &self.address);
        if self.oddity == Some(Oddity::Unicode) {
            out.text_of("userAgent", &[&self.agent, " büro/日本 🔑"]);
        } else {
            out.text("userAgent", &self.agent);
        }
        if !self.error_code.is_empty() {
            out.text("errorCode", self.error_code);
        }
        if !self.error_message.is_empty() {
            out.escaped("errorMessage", &self.error_message);
        }
    }

    fn write_time(&self, out: &mut JsonText) {
        out.member("eventTime");
        let buffer = out.buffer();
        buffer.push('"');
        match self.oddity {
            Some(Oddity::FractionalTime) => {
                push_time_without_zone(buffer, self.time);
                buffer.push_str(".250Z");
            }
            Some(Oddity::OffsetTime) => {
                push_time_without_zone(buffer, self.time + 7_200);
                buffer.push_str("+02:00");
            }
            _ => push_time(buffer, self.time),
        }
        buffer.push('"');
    }

    fn write_parameters(&self, out: &mut JsonText) {
        let request = match self.oddity {
            Some(Oddity::HiddenParameters) => "\"HIDDEN_DUE_TO_SECURITY_REASONS\"",
            Some(Oddity::OmittedParameters) => {
                r#"{"omitted":true,"originalSize":104201,"reason":"request parameters too large"}"#
            }
            _ if self.request.is_empty() => "null",
            _ => self.request.as_str(),
        };
        out.raw("requestParameters", request);
        out.raw("responseElements", if self.response.is_empty() { "null" } else { self.response.as_str() });
        if !self.additional.is_empty() {
            out.raw("additionalEventData", self.additional.as_str());
        }
    }

    fn write_ids(&self, out: &mut JsonText) {
        if !self.version.has_event_id() {
            return;
        }
        if !self.request_id.is_empty() {
            out.text("requestID", &self.request_id);
        }
        out.text("eventID", &self.event_id);
    }

    fn write_flags(&self, out: &mut JsonText) {
        let quoted = self.oddity == Some(Oddity::TextBooleans);
        if let (Some(read_only), true) =
            (self.read_only, self.oddity != Some(Oddity::NoReadOnly) && self.version.has_event_id())
        {
            out.raw("readOnly", boolean(read_only, quoted));
        }
    }

    fn write_resources(&self, out: &mut JsonText) {
        match self.resource_list {
            ResourceList::Absent => return,
            ResourceList::Null => {
                out.raw("resources", "null");
                return;
            }
            ResourceList::List => {}
        }
        out.member("resources").open_list();
        for resource in &self.resources {
            out.open();
            if self.oddity == Some(Oddity::LowerCaseResources) {
                out.text("accountId", resource.account_id).text("arn", resource.arn);
            } else {
                out.text("accountId", resource.account_id).text("type", resource.kind).text("ARN", resource.arn);
            }
            out.close();
        }
        out.close_list();
    }

    fn write_tail(&self, out: &mut JsonText) {
        if self.version.has_event_id() {
            out.text("eventType", self.event_type());
        }
        if self.version.has_category() {
            out.raw(
                "managementEvent",
                boolean(self.kind != EventKind::DataEvent, self.oddity == Some(Oddity::TextBooleans)),
            );
        }
        if self.version.has_event_id() {
            out.text("recipientAccountId", self.recipient);
        }
        if !self.shared_event_id.is_empty() {
            out.text("sharedEventID", &self.shared_event_id);
        }
        if !self.details.is_empty() {
            out.raw("serviceEventDetails", self.details.as_str());
        }
        if !self.vpc_endpoint.is_empty() {
            out.text("vpcEndpointId", self.vpc_endpoint);
        }
        if self.version.has_category() {
            out.text("eventCategory", if self.kind == EventKind::DataEvent { "Data" } else { "Management" });
        }
        if self.delivery_delayed && self.version.0 >= 8 {
            out.member("addendum").open().text("reason", "DELIVERY_DELAY").close();
        }
        self.write_tls(out);
        if self.oddity == Some(Oddity::UnknownMembers) {
            out.raw(
                "futureMember",
                r#"{"exact":123456789012345678901234567890,"list":[1,2.50,1.0E5,-0,null],"Exact":"other case"}"#,
            );
            out.raw("anotherOne", "[]");
        }
    }

    fn write_tls(&self, out: &mut JsonText) {
        if self.tls_host.is_empty() || !self.version.has_category() {
            return;
        }
        out.member("tlsDetails").open().text("tlsVersion", "TLSv1.3").text("cipherSuite", "TLS_AES_128_GCM_SHA256");
        out.text("clientProvidedHostHeader", &self.tls_host);
        if self.post_quantum {
            out.text("keyExchange", "X25519MLKEM768");
        }
        out.close();
    }

    fn event_type(&self) -> &'static str {
        match self.kind {
            EventKind::ServiceEvent => "AwsServiceEvent",
            EventKind::ConsoleSignIn => "AwsConsoleSignIn",
            EventKind::ApiCall | EventKind::DataEvent => "AwsApiCall",
        }
    }

    /// Rewrites the record's text with other escapes or with spaces; the values stay the same.
    fn disguise(&self, out: &mut JsonText, before: usize) {
        let start = out.as_str()[before..].find('{').map_or(before, |offset| before + offset);
        let buffer = out.buffer();
        let record = buffer.split_off(start);
        if self.oddity == Some(Oddity::Spaces) {
            buffer.push_str(&record.replace("\",\"", "\",\n  \"").replace("\":", "\" : "));
        } else {
            buffer.push_str(&record.replace('/', "\\/").replace('=', "\\u003d").replace('&', "\\u0026"));
        }
    }
}

fn boolean(value: bool, quoted: bool) -> &'static str {
    match (value, quoted) {
        (true, false) => "true",
        (false, false) => "false",
        (true, true) => "\"true\"",
        (false, true) => "\"false\"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(oddity: Option<Oddity>) -> String {
        let mut draft = Draft::new();
        draft.reset();
        draft.oddity = oddity;
        (draft.source, draft.name, draft.region, draft.recipient) =
            ("kms.amazonaws.com", "Decrypt", "us-east-1", "111122223333");
        draft.agent.push_str("a=b/c");
        draft.request.set(r#"{"encryptionContext":{"k":"v=w"}}"#);
        draft.event_id.push_str("id-1");
        draft.read_only = Some(true);
        draft.touch(Resource {
            arn: "arn:aws:kms:us-east-1:111122223333:key/1",
            account_id: "111122223333",
            kind: "AWS::KMS::Key",
        });
        let mut out = JsonText::default();
        draft.write(&mut out);
        out.as_str().to_owned()
    }

    #[test]
    fn every_oddity_is_valid_json_and_differs() {
        let plain = text(None);
        for oddity in ODDITIES {
            let odd = text(Some(*oddity));
            let value: serde_json::Value =
                serde_json::from_str(&odd).unwrap_or_else(|error| panic!("{oddity:?}: {error}: {odd}"));
            assert!(value.get("eventID").is_some());
            assert!(odd != plain || *oddity == Oddity::NullIdentity, "{oddity:?} changes nothing");
        }
    }

    #[test]
    fn disguises_keep_the_values() {
        let plain: serde_json::Value = serde_json::from_str(&text(None)).unwrap();
        for oddity in [Oddity::Spaces, Oddity::Escapes, Oddity::MemberOrder] {
            assert_eq!(serde_json::from_str::<serde_json::Value>(&text(Some(oddity))).unwrap(), plain);
        }
    }
}

//! The checklist of edge cases, domain facts §10: input (1 to 15) and record (16 to 28), a test for each.

use super::*;
use crate::identity::Identity;
use crate::path::LogFilePath;
use crate::record::{Field, RecordError};
use crate::row_keys::{EventPartition, event_id};

/// What becomes of a member of a KMS record, by column.
fn column_of(text: &str, column: &str) -> Option<String> {
    let (_, mut collected) = decode(text.as_bytes());
    assert_eq!(collected.texts(), [text], "{:?}", collected.reasons());
    collected.value(column)
}

fn with_member(member: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.08","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventTime":"2023-07-10T12:00:00Z",{member}}}"#
    )
}

#[test]
fn item_01_packing_is_told_by_content() {
    for bytes in [EVENT.as_bytes().to_vec(), gzip(EVENT.as_bytes()), gzip(&gzip(EVENT.as_bytes()))] {
        assert_eq!(texts(&bytes), [EVENT]);
    }
    let two = [gzip(EVENT.as_bytes()), gzip(EVENT.as_bytes())].concat();
    assert_eq!(texts(&two).len(), 2);
    let (outcome, collected) = decode(&[gzip(EVENT.as_bytes()), b"more".to_vec()].concat());
    assert_eq!((collected.records.len(), outcome.rejected_count), (1, 1));
    assert_eq!(collected.reasons(), ["4 bytes after the gzip data that are none, and may have held records"]);
    let whole = gzip(records(50).as_bytes());
    let (_, collected) = decode(&whole[..whole.len() - 30]);
    assert!(collected.records.len() > 25, "what came before the cut is kept");
    assert_eq!(collected.reasons(), ["the packed data is cut short"]);
}

#[test]
fn item_02_marks_and_line_ends() {
    assert_eq!(texts(format!("\u{feff}{EVENT}").as_bytes()), [EVENT]);
    assert_eq!(texts(format!("{EVENT}\r\n{EVENT}\r\n").as_bytes()).len(), 2);
    let table = "Event name;Event source;User name\r\nDecrypt;kms.amazonaws.com;älice\r\n";
    let expected = r#"{"eventName":"Decrypt","eventSource":"kms.amazonaws.com","userIdentity":{"userName":"älice"}}"#;
    let tables = [
        table.as_bytes().to_vec(),
        format!("\u{feff}{table}").into_bytes(),
        format!("sep=;\r\n{table}").into_bytes(),
        utf16(table, u16::to_le_bytes),
        utf16(table, u16::to_be_bytes),
        utf16(&table.replace(';', "\t"), u16::to_le_bytes),
        gzip(&utf16(table, u16::to_le_bytes)),
    ];
    for bytes in tables {
        assert_eq!(texts(&bytes), [expected]);
    }
    assert_eq!(texts(&utf16(&records(2), u16::to_le_bytes)).len(), 2, "PowerShell's > writes JSON so");
    let mut odd = utf16(EVENT, u16::to_le_bytes);
    odd.extend([b'\n', 0, 0]);
    let (outcome, collected) = decode(&odd);
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 0));
    assert_eq!(outcome.notes, ["1 units of the UTF-16 text stand for no character"]);
}

#[test]
fn item_03_empty_files_are_fine() {
    for (bytes, kind) in [
        (br#"{"Records":[]}"#.to_vec(), LogFileKind::Events),
        (br#"{"Records": []}"#.to_vec(), LogFileKind::Events),
        (Vec::new(), LogFileKind::Empty),
        (gzip(b""), LogFileKind::Empty),
        (zip(&[]), LogFileKind::Empty),
        (gzip(br#"{"Events":[]}"#), LogFileKind::Events),
    ] {
        let (outcome, collected) = decode(&bytes);
        assert_eq!((outcome.kind, outcome.record_count, collected.rejects.len()), (kind, 0, 0));
    }
}

#[test]
fn item_04_notifications_say_where_to_look() {
    let notification = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"r","eventName":"ObjectCreated:Put","s3":{"object":{"key":"AWSLogs/x.json.gz"}}}]}"#;
    let (outcome, collected) = decode(notification.as_bytes());
    assert_eq!((outcome.kind, collected.records.len(), collected.rejects.len()), (LogFileKind::Notification, 0, 0));
    let envelope =
        format!(r#"{{"Type":"Notification","Message":{}}}"#, quoted(r#"{"s3Bucket":"b","s3ObjectKey":["k","l"]}"#));
    let queued = format!(r#"{{"Messages":[],"receiptHandle":"h","body":{}}}"#, quoted(&envelope));
    for text in [envelope, queued] {
        let (outcome, _) = decode(text.as_bytes());
        assert_eq!(outcome.kind, LogFileKind::Notification, "{text}");
        assert_eq!(outcome.notes, ["notifications hold no events: convert the log files that they name"]);
    }
}

#[test]
fn item_04_an_event_that_a_notification_carries_is_read() {
    let enveloped = format!(r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{EVENT}}}"#);
    let notified = format!(r#"{{"Type":"Notification","MessageId":"m","Message":{}}}"#, quoted(&enveloped));
    let bare = format!(r#"{{"Type":"Notification","Message":{}}}"#, quoted(EVENT));
    let to_lambda =
        format!(r#"{{"Records":[{{"EventSource":"aws:sns","Sns":{{"Message":{}}}}}]}}"#, quoted(&enveloped));
    let queued = format!(r#"{{"receiptHandle":"h","body":{}}}"#, quoted(&notified));
    let queue_to_lambda =
        format!(r#"{{"Records":[{{"receiptHandle":"h","eventSource":"aws:sqs","body":{}}}]}}"#, quoted(&notified));
    for text in [notified, bare, to_lambda, queued, queue_to_lambda] {
        let (outcome, collected) = decode(text.as_bytes());
        assert_eq!((outcome.kind, outcome.record_count), (LogFileKind::Events, 1), "{text}: {:?}", collected.rejects);
        assert_eq!((collected.records.len(), outcome.notes), (1, vec![]), "{text}");
    }
}

#[test]
fn item_04_each_message_of_a_queue_is_read_by_its_content() {
    let enveloped = format!(r#"{{"version":"0","detail-type":"AWS API Call via CloudTrail","detail":{EVENT}}}"#);
    let subscription =
        format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{}}}]}}"#, quoted(EVENT));
    let three = records(3);
    let named = r#"{"s3Bucket":"b","s3ObjectKey":["k"]}"#.to_owned();
    let sent = format!(r#"{{"Type":"Notification","Message":{}}}"#, quoted(&named));
    let delivered =
        r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{}}]}"#;
    let message = |body: &str| format!(r#"{{"MessageId":"m","ReceiptHandle":"h","Body":{}}}"#, quoted(body));
    let received = |bodies: &[&str]| {
        format!(r#"{{"Messages":[{}]}}"#, bodies.iter().map(|body| message(body)).collect::<Vec<_>>().join(","))
    };
    for (bodies, record_count, kind) in [
        (vec![EVENT], 1, LogFileKind::Events),
        (vec![enveloped.as_str(), EVENT], 2, LogFileKind::Events),
        (vec![three.as_str()], 3, LogFileKind::Events),
        (vec![subscription.as_str()], 1, LogFileKind::Events),
        (vec![named.as_str()], 0, LogFileKind::Notification),
        (vec![sent.as_str()], 0, LogFileKind::Notification),
        (vec![delivered], 0, LogFileKind::Notification),
    ] {
        for text in [received(&bodies), received(&bodies).replace(r#""ReceiptHandle":"h","#, "")] {
            let (outcome, collected) = decode(text.as_bytes());
            assert_eq!(
                (collected.records.len(), outcome.kind),
                (record_count, kind),
                "{text}: {:?}",
                collected.reasons()
            );
            assert_eq!(collected.reasons(), Vec::<&str>::new(), "{text}");
        }
    }
    let (_, collected) = decode(received(&["hello", EVENT, ""]).as_bytes());
    assert_eq!(collected.records.len(), 1);
    assert_eq!(collected.reasons(), ["a queue's message whose body is no JSON of an object"; 2]);
    assert_eq!(collected.rejects[0].2, message("hello").as_bytes());
}

#[test]
fn item_05_other_kinds_are_counted() {
    let mixed = format!(
        r#"{{"Records":[{EVENT},{{"eventVersion":"1.09","eventType":"AwsVpceEvents","eventSource":"kms.amazonaws.com","eventName":"Decrypt"}},{{"eventVersion":"1.07","eventType":"AwsCloudTrailInsight"}},{{"eventVersion":"1.09","eventType":"AwsVpceEvent","eventCategory":"NetworkActivity"}},{EVENT}]}}"#
    );
    let (outcome, collected) = decode(mixed.as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 0));
    let ignored: Vec<_> = outcome.ignored.into_iter().collect();
    assert_eq!(ignored, [(RecordKind::Insight, 1), (RecordKind::NetworkActivity, 2)]);
}

#[test]
fn item_06_aggregated_files_may_be_arrays() {
    let aggregated = r#"{"eventVersion":"1.0","accountId":"1","eventId":"a","eventCategory":"Aggregated","eventType":"AwsAggregatedEvent","awsRegion":"r","eventSource":"s3.amazonaws.com","timeWindow":{"windowStart":"2025-11-20 10:00:00"},"summary":{}}"#;
    for text in [format!("[{aggregated},{aggregated}]"), format!(r#"{{"Records":[{aggregated},{aggregated}]}}"#)] {
        let (outcome, collected) = decode(text.as_bytes());
        assert_eq!((outcome.kind, outcome.ignored[&RecordKind::Aggregated]), (LogFileKind::Aggregated, 2));
        assert_eq!(collected.records.len() + collected.rejects.len(), 0);
    }
}

#[test]
fn item_07_lookup_events_pages_and_text() {
    let page = |time: &str| {
        format!(
            r#"{{"Events":[{{"EventId":"e-1","EventTime":{time},"CloudTrailEvent":{}}}],"NextToken":"t"}}"#,
            quoted(EVENT)
        )
    };
    let pages = [page("1688990400.123"), page(r#""2023-07-10T14:00:00+02:00""#)];
    for separator in ["", "\n", "\r\n"] {
        assert_eq!(texts(pages.join(separator).as_bytes()), [EVENT, EVENT]);
    }
    assert_eq!(texts(format!("{EVENT}\t{EVENT}\t{EVENT}\n{EVENT}\n").as_bytes()), [EVENT; 4], "--output text");
    let line = format!("EVENTS\tAKIA1\t{EVENT}\te-1\tDecrypt\n");
    let text = format!("NEXTTOKEN\tx\n{line}RESOURCES\tarn\tAWS::KMS::Key\n{line}");
    assert_eq!(texts(text.as_bytes()), [EVENT, EVENT]);
    let damaged = format!("{line}EVENTS\tAKIA1\t{{\"a\":01}}\te\n{line}");
    let (_, collected) = decode(damaged.as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1), "{:?}", collected.reasons());
    let (_, collected) = decode(
        br#"{"Events":[{"EventId":"e","EventName":"Decrypt","EventSource":"kms.amazonaws.com","Resources":[]}]}"#,
    );
    assert_eq!(collected.levels, [DetailLevel::Summary], "a wrapper without its event still tells of it");
}

#[test]
fn item_08_envelopes_and_log_lines() {
    let lines = format!("2023-07-10T12:00:01.000Z {EVENT}\n2023-07-10T12:00:02.000Z {EVENT}\n");
    assert_eq!(texts(lines.as_bytes()), [EVENT, EVENT]);
    let (_, collected) =
        decode(format!("2023-07-10T12:00:01.000Z {{\"a\":\n{lines}2023-07-10T12:00:03.000Z START\n").as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 2), "{:?}", collected.reasons());
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;
    let data = format!(
        r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{"id":"1","message":{}}},{{"id":"2","message":{}}}]}}"#,
        quoted(EVENT),
        quoted(EVENT)
    );
    assert_eq!(texts(format!("{control}{data}").as_bytes()), [EVENT, EVENT]);
    for detail_type in ["AWS API Call", "AWS Service Event", "AWS Console Signin", "AWS Console Action"] {
        let text = format!(r#"{{"detail-type":"{detail_type} via CloudTrail","detail":{EVENT}}}"#);
        assert_eq!(texts(text.as_bytes()), [EVENT]);
    }
}

#[test]
fn item_09_back_to_back_objects_across_members() {
    let text = format!("{EVENT}{EVENT}{EVENT}");
    for cut in [1, EVENT.len(), EVENT.len() + 7, 2 * EVENT.len()] {
        let (first, second) = text.as_bytes().split_at(cut);
        assert_eq!(texts(&[gzip(first), gzip(second)].concat()), [EVENT; 3], "cut at {cut}");
    }
    let partial = gzip(&text.as_bytes()[..text.len() - 5]);
    let (_, collected) = decode(&partial);
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1));
    assert_eq!(collected.rejects[0].2, &EVENT.as_bytes()[..EVENT.len() - 5]);
}

#[test]
fn item_10_event_history_table() {
    let table = format!(
        "User name,AWS access key,Event time,Event source,Event name,AWS region,Source IP address,User agent,Error code,Resources,Request ID,Event ID,Read-only,New column\n\
         alice,AKIA1,2023-07-10T12:00:00Z,kms.amazonaws.com,Decrypt,eu-west-1,AWS Internal,=cmd|' /C calc'!A0,,\"[{{\"\"resourceType\"\":\"\"AWS::KMS::Key\"\",\"\"resourceName\"\":\"\"{KEY}\"\"}}]\",r-1,e-1,true,x\n"
    );
    let expected = format!(
        r#"{{"userIdentity":{{"userName":"alice","accessKeyId":"AKIA1"}},"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-west-1","sourceIPAddress":"AWS Internal","userAgent":"=cmd|' /C calc'!A0","resources":[{{"resourceType":"AWS::KMS::Key","resourceName":"{KEY}"}}],"requestID":"r-1","eventID":"e-1","readOnly":true,"New column":"x"}}"#
    );
    let (_, mut collected) = decode(table.as_bytes());
    assert_eq!(collected.texts(), [expected.as_str()], "{:?}", collected.reasons());
    for (column, value) in [
        ("detail_level", Some("summary")),
        ("context_state", Some("unknown")),
        ("key_arn", Some(KEY)),
        ("key_resolution", Some("resources")),
        ("user_name", Some("alice")),
        ("access_key_id", Some("AKIA1")),
        ("user_agent", Some("=cmd|' /C calc'!A0")),
        ("error_code", None),
        ("unknown_fields", Some(r#"{"New column":"x"}"#)),
    ] {
        assert_eq!(collected.value(column).as_deref(), value, "{column}");
    }
    let text = format!("Event name,Event source,Resources\nDecrypt,kms.amazonaws.com,\"AWS::KMS::Key {KEY}\"\n");
    let (_, mut collected) = decode(text.as_bytes());
    assert_eq!(collected.value("key_arn").as_deref(), Some(KEY));
}

#[test]
fn item_11_lake_rows_and_lower_case_columns() {
    let row = r#"{"QueryStatus":"FINISHED","QueryResultRows":[[{"eventSource":"kms.amazonaws.com"},{"eventName":"Encrypt"},{"requestParameters":"{keyId=alias/a, encryptionContext={a=b}}"},{"errorCode":null}],[{"eventName":"count"}]]}"#;
    let (_, mut collected) = decode(row.as_bytes());
    assert_eq!(
        collected.texts(),
        [
            r#"{"eventSource":"kms.amazonaws.com","eventName":"Encrypt","requestParameters":"{keyId=alias/a, encryptionContext={a=b}}"}"#
        ]
    );
    assert_eq!(collected.reasons(), ["a row without `eventSource` and `eventName`, or `eventJson`"]);
    assert_eq!(
        (collected.value("detail_level"), collected.value("context_state")),
        (Some("flattened".into()), Some("unknown".into()))
    );

    let lower = format!(
        r#"{{"eventversion":"1.08","useridentity":{{"type":"IAMUser","username":"alice","accountid":"011122223333"}},"eventtime":"2023-07-10T12:00:00Z","eventsource":"kms.amazonaws.com","eventname":"Decrypt","requestparameters":{},"readonly":"true","resources":[{{"arn":"{KEY}"}}],"recipientaccountid":"011122223333"}}"#,
        quoted(r#"{"encryptionContext":{"a":"b"}}"#)
    );
    let (_, collected) = decode(lower.as_bytes());
    assert_eq!(
        (collected.texts(), collected.levels.as_slice()),
        (vec![lower.as_str()], [DetailLevel::Reencoded].as_slice())
    );
    let mut builder = collected.builder;
    let batch = builder.finish();
    let text = |name: &str| {
        use arrow_array::cast::AsArray;
        batch.column_by_name(name).expect(name).as_string::<i32>().value(0).to_owned()
    };
    for (column, value) in [
        ("event_name", "Decrypt"),
        ("user_name", "alice"),
        ("request_parameters", r#"{"encryptionContext":{"a":"b"}}"#),
        ("context_state", "present"),
        ("key_arn", KEY),
        ("raw_record", lower.as_str()),
    ] {
        assert_eq!(text(column), value, "{column}");
    }

    let athena = "eventversion,eventsource,eventname,requestparameters,readonly\n1.08,kms.amazonaws.com,Decrypt,\"{\"\"keyId\"\":\"\"k\"\"}\",true\n";
    let (_, mut collected) = decode(athena.as_bytes());
    assert_eq!(collected.value("detail_level").as_deref(), Some("reencoded"));
}

#[test]
fn item_12_one_event_from_several_shapes_has_one_body() {
    let mut members: Vec<_> = json::members(EVENT)
        .map(|(name, raw)| format!("\n  \"{name}\" : {}", raw.replace("\",\"", "\" ,\n\"")))
        .collect();
    members.reverse();
    let shapes = [
        format!(r#"{{"Records":[{EVENT}]}}"#),
        format!(r#"{{"Events":[{{"CloudTrailEvent":{}}}]}}"#, quoted(EVENT)),
        format!(r#"{{"events":[{{"message":{}}}]}}"#, quoted(EVENT)),
        format!(r#"{{"detail-type":"AWS API Call via CloudTrail","detail":{EVENT}}}"#),
        format!("eventJson\n{}\n", csv_quoted(EVENT)),
        format!("{{{}\n}}", members.join(",")),
        EVENT.replace("arn:aws:s3", r"arn:\u0061ws:s3"),
    ];
    let (_, original) = decode(EVENT.as_bytes());
    for shape in &shapes {
        let (_, collected) = decode(shape.as_bytes());
        assert_eq!(collected.hashes, original.hashes, "{shape}");
        let record = EventRecord::parse(collected.texts()[0]).map(|record| event_id(&record).into_owned());
        assert_eq!(record.as_deref(), Ok("e-1"));
    }
}

#[test]
fn item_13_paths_in_any_layout() {
    for (path, account, region) in [
        (
            "AWSLogs/011122223333/CloudTrail/us-gov-west-1/2023/07/10/x.json.gz",
            Some("011122223333"),
            Some("us-gov-west-1"),
        ),
        (
            "o-abc/AWSLogs/o-abc/011122223333/CloudTrail/cn-north-1/2023/07/10/x.json.gz",
            Some("011122223333"),
            Some("cn-north-1"),
        ),
        (
            "a/b/AWSLogs/011122223333/CloudTrail/us-isob-east-1/2023/07/10/x",
            Some("011122223333"),
            Some("us-isob-east-1"),
        ),
        ("AWSLogs/011122223333/CloudTrail/eusc-de-east-1/2023/07/10/x", Some("011122223333"), Some("eusc-de-east-1")),
        ("x.json.gz", None, None),
    ] {
        let parsed = LogFilePath::parse(path);
        assert_eq!((parsed.account_id, parsed.aws_region), (account, region), "{path}");
    }
}

#[test]
fn item_14_one_large_line_and_many_small_files() {
    let large = records(20_000);
    assert!(large.len() > 10 << 20 && !large.contains('\n'));
    let (_, collected) = decode_up_to(&gzip(large.as_bytes()), MAX_FILE_BYTES);
    assert_eq!((collected.records.len(), collected.rejects.len()), (20_000, 0));
    let small = gzip(records(1).as_bytes());
    let mut decoder = FileDecoder::new();
    let mut collected = Collected::default();
    for _ in 0..2_000 {
        decoder.decode(&small, &mut collected);
    }
    assert_eq!(collected.records.len(), 2_000);
}

#[test]
fn item_15_a_file_reads_the_same_every_time() {
    let mut decoder = FileDecoder::new();
    let bytes = gzip(format!(r#"{{"Records":[{EVENT},{{"a":01}},{EVENT}]}}"#).as_bytes());
    let mut read = || {
        let mut collected = Collected::default();
        let outcome = decoder.decode(&bytes, &mut collected);
        (outcome, collected.records, collected.rejects, collected.hashes)
    };
    assert_eq!(read(), read());
}

#[test]
fn item_16_versions_are_compared_by_their_major() {
    for version in ["1.0", "1.01", "1.09", "1.10", "1.11", "1.12", "1"] {
        let text = EVENT.replace("1.08", version);
        assert_eq!(column_of(&text, "event_version").as_deref(), Some(version));
    }
    for version in ["2.0", "10.1", "0.9", "x"] {
        let text = EVENT.replace("1.08", version);
        let (_, collected) = decode(text.as_bytes());
        assert_eq!(collected.reasons(), [format!("event version is not 1.x: {version}")]);
        assert_eq!(collected.rejects[0].2, text.as_bytes(), "the raw text is kept");
    }
}

#[test]
fn item_17_a_record_without_an_id_gets_a_stable_one() {
    let text = with_member(r#""awsRegion":"r""#);
    let id = column_of(&text, "event_id").expect("an id");
    assert_eq!(id, format!("sha256:{}", crate::hash::sha256_hex(text.as_bytes())));
    let pretty = text.replace(",\"", ",\n \"");
    assert_ne!(column_of(&pretty, "event_id"), Some(id), "by the text, as it is the text that is kept");
}

#[test]
fn item_18_corrections_are_linked() {
    let (_, first) = decode(event(1).as_bytes());
    let (_, other) = decode(event(1).replace("alice", "bob").as_bytes());
    assert_ne!(first.hashes, other.hashes, "same id, other body");
    let addendum = with_member(
        r#""eventID":"new","addendum":{"reason":"UPDATED_DATA","updatedFields":"x","originalEventID":"old"}"#,
    );
    assert_eq!(column_of(&addendum, "amends_event_id").as_deref(), Some("old"));
    let delayed = with_member(r#""eventID":"new","addendum":{"reason":"DELIVERY_DELAY"}"#);
    assert_eq!(column_of(&delayed, "amends_event_id"), None);
}

#[test]
fn item_19_identities_of_any_kind() {
    for (member, principal_type, invoked_by) in [
        (r#""userIdentity":null"#, None, None),
        (r#""userIdentity":{"accountId":"1","invokedBy":"AWS Internal"}"#, None, Some("AWS Internal")),
        (
            r#""userIdentity":{"type":"AWSService","invokedBy":"cloudtrail.amazonaws.com"}"#,
            Some("AWSService"),
            Some("cloudtrail.amazonaws.com"),
        ),
        (r#""userIdentity":{"invokedBy":"acm.amazonaws.com"}"#, None, Some("acm.amazonaws.com")),
        (r#""userIdentity":"HIDDEN_DUE_TO_SECURITY_REASONS""#, None, None),
        (r#""userIdentity":[]"#, None, None),
    ] {
        let text = with_member(member);
        assert_eq!(column_of(&text, "principal_type").as_deref(), principal_type, "{member}");
        assert_eq!(column_of(&text, "invoked_by").as_deref(), invoked_by, "{member}");
    }
}

#[test]
fn item_20_resources_in_every_form() {
    for (resources, key_arn) in [
        ("null".to_owned(), None),
        ("[]".to_owned(), None),
        (format!(r#"[{{"arn":"{KEY}"}}]"#), Some(KEY)),
        (format!(r#"[{{"ARN":"{KEY}","accountId":"1"}}]"#), Some(KEY)),
        (format!(r#"["{KEY}"]"#), Some(KEY)),
        (format!(r#"[{{"ARNPrefix":"{KEY}"}}]"#), Some(KEY)),
        (format!(r#""{KEY}""#), Some(KEY)),
        (r#"[{"type":"AWS::KMS::Key"}]"#.to_owned(), None),
        ("7".to_owned(), None),
    ] {
        let text = with_member(&format!(r#""resources":{resources}"#));
        assert_eq!(column_of(&text, "key_arn").as_deref(), key_arn, "{resources}");
    }
}

#[test]
fn item_21_withheld_parameters_are_unknown() {
    for (parameters, state) in [
        ("null", "unknown"),
        ("{}", "unknown"),
        (r#""text""#, "unknown"),
        (r#"{"omitted":true,"originalSize":120000}"#, "unknown"),
        (r#"{"encryptionContext":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#, "unknown"),
        (r#"{"keyId":"k"}"#, "absent"),
    ] {
        let text = with_member(&format!(r#""requestParameters":{parameters}"#));
        assert_eq!(column_of(&text, "context_state").as_deref(), Some(state), "{parameters}");
    }
}

#[test]
fn item_22_contexts_have_states_and_any_text() {
    for (context, state) in [
        (r#"{"a.b/c":"x","aws:s3:arn":"arn:aws:s3:::b","ü":"\u00e9","n":1,"t":true}"#, "present"),
        ("{}", "empty"),
        ("null", "unknown"),
    ] {
        let text = with_member(&format!(r#""requestParameters":{{"encryptionContext":{context},"keyId":"k"}}"#));
        assert_eq!(column_of(&text, "context_state").as_deref(), Some(state), "{context}");
    }
}

#[test]
fn item_23_account_ids_keep_their_zeros() {
    assert_eq!(column_of(EVENT, "recipient_account_id").as_deref(), Some("011122223333"));
    assert_eq!(column_of(EVENT, "principal_account_id").as_deref(), Some("011122223333"));
    let (_, mut collected) =
        decode(b"eventSource,eventName,recipientAccountId\nkms.amazonaws.com,Decrypt,011122223333\n");
    assert_eq!(collected.value("recipient_account_id").as_deref(), Some("011122223333"));
}

#[test]
fn item_24_ties_keep_the_order_of_the_file() {
    let (_, collected) = decode(records(3).as_bytes());
    assert_eq!(collected.texts(), [event(0), event(1), event(2)]);
    assert_eq!(collected.records.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn item_25_the_event_time_decides_the_partition() {
    for (time, month) in
        [("2023-07-31T23:59:59Z", "2023-07"), ("2023-08-01T01:00:00+02:00", "2023-07"), ("nonsense", "unknown")]
    {
        let text = EVENT.replace("2023-07-10T12:00:00Z", time);
        let record = EventRecord::parse(&text).expect("record");
        assert_eq!(EventPartition::of(&record).event_month, month, "{time}");
    }
}

#[test]
fn item_25_event_times_in_the_forms_of_other_writers_keep_their_text() {
    for time in
        ["2023-07-10T14:00:00+0200", "2023-07-10T12:00:00.000Z", "2023-07-10 12:00:00", "2023-07-10 12:00:00.000 UTC"]
    {
        let text = EVENT.replace("2023-07-10T12:00:00Z", time);
        let (outcome, mut collected) = decode(text.as_bytes());
        assert_eq!(EventRecord::parse(&text).expect("record").event_time(), Some(1_688_990_400_000_000), "{time}");
        assert_eq!(collected.value("raw_record").as_deref(), Some(text.as_str()), "{time}");
        assert_eq!((outcome.undated_count, outcome.notes), (0, vec![]), "{time}");
    }
    let table = "Event time,Event source,Event name\n2023-07-10T14:00:00+0200,kms.amazonaws.com,Decrypt\n";
    assert!(texts(table.as_bytes())[0].contains("2023-07-10T12:00:00Z"));
}

#[test]
fn item_25_an_event_time_that_is_not_understood_is_told() {
    let time = r#""eventTime":"2023-07-10T12:00:00Z""#;
    for (instead, first) in [
        (r#""eventTime":"04/03/2025 05:06""#, ", the first `04/03/2025 05:06`"),
        (r#""eventTime":1741064767"#, ", the first `1741064767`"),
        (r#""eventTime":"9999-12-31T23:59:59Z""#, ", the first `9999-12-31T23:59:59Z`"),
        (r#""@timestamp":"2025-03-04T05:06:07.000Z""#, ""),
    ] {
        let strange = EVENT.replace(time, instead);
        let (outcome, collected) = decode(format!("{strange}\n{EVENT}\n{strange}\n").as_bytes());
        assert_eq!((collected.records.len(), outcome.undated_count), (3, 2), "{instead}");
        let note = format!("records with an event time that is absent or not understood: 2{first}");
        assert_eq!(outcome.notes, [note], "{instead}");
    }
}

#[test]
fn item_26_dates_in_other_forms_survive_as_text() {
    for date in ["Aug 10, 2022, 10:38:27 PM", "Jan 1, 2021 8:00:00\u{202f}PM", "Jan 1, 2021, 18:58:30 PM"] {
        let text = with_member(&format!(r#""responseElements":{{"deletionDate":"{date}"}}"#));
        assert_eq!(column_of(&text, "response_elements"), Some(format!(r#"{{"deletionDate":"{date}"}}"#)));
        let identity = format!(r#"{{"sessionContext":{{"attributes":{{"creationDate":"{date}"}}}}}}"#);
        assert_eq!(Identity::of(&identity).session_creation_time, None);
    }
}

#[test]
fn item_27_json_in_strings_stays_one_string() {
    let policy = quoted("{\n  \"Version\" : \"2012-10-17\",\n  \"Statement\" : []\n}");
    let text = with_member(&format!(
        r#""requestParameters":{{"policy":{policy},"policyDocument":"%7B%22Version%22%3A%222012-10-17%22%7D","backingKeys":"[{{\"id\":1}}]"}}"#
    ));
    let parameters = column_of(&text, "request_parameters").expect("parameters");
    assert_eq!(json::members(&parameters).next(), Some(("policy", policy.as_str())));
}

#[test]
fn item_28_what_is_new_survives_as_data() {
    let text = r#"{"eventVersion":"1.99","eventSource":"kms.amazonaws.com","eventName":"BrandNewCall","requestParameters":{"keySpec":"ML_DSA_999"},"brandNew":{"a":[1]}}"#;
    for (column, value) in [
        ("event_name", "BrandNewCall"),
        ("operation_class", "unknown"),
        ("request_parameters", r#"{"keySpec":"ML_DSA_999"}"#),
        ("unknown_fields", r#"{"brandNew":{"a":[1]}}"#),
    ] {
        assert_eq!(column_of(text, column).as_deref(), Some(value), "{column}");
    }
    assert_eq!(EventRecord::parse(text).expect("record").text_of(Field::EventVersion), Some("1.99"));
    assert_eq!(EventRecord::parse("[]").expect_err("no object"), RecordError::NotAnObject);
}

#[test]
fn results_that_are_parts_say_so() {
    let text = quoted(EVENT);
    let page = |token: &str| format!(r#"{{"Events":[{{"CloudTrailEvent":{text}}}]{token}}}"#);
    let lake = |status: &str| format!(r#"{{"QueryStatus":"{status}","QueryResultRows":[[{{"eventJson":{text}}}]]}}"#);
    let insights =
        |status: &str| format!(r#"{{"results":[[{{"field":"@message","value":{text}}}]],"status":"{status}"}}"#);
    let search = |state: &str| format!(r#"{{"took":1,{state},"hits":{{"hits":[{{"_source":{EVENT}}}]}}}}"#);
    let lines = |last: &str| format!("EVENTS\tAKIA1\t{EVENT}\te-1\tDecrypt\tkms.amazonaws.com\n{last}\n");
    for (file, word) in [
        (page(r#","NextToken":"t""#), Some("`NextToken`")),
        (page(r#","NextToken":"t""#) + &page(""), None),
        (page("") + &page(r#","NextToken":"t""#), Some("`NextToken`")),
        (page(r#","NextToken":null"#), None),
        (page(r#","nextToken":"t""#), Some("`nextToken`")),
        (lines("NEXTTOKEN\tabc"), Some("`NEXTTOKEN`")),
        (lines("NEXTTOKEN\tNone"), None),
        (lake("FINISHED"), None),
        (lake("RUNNING"), Some("`RUNNING`")),
        (lake("FAILED"), Some("`FAILED`")),
        (lake("CANCELLED"), Some("`CANCELLED`")),
        (insights("Complete"), None),
        (insights("Timeout"), Some("`Timeout`")),
        (search(r#""timed_out":false,"_shards":{"total":2,"failed":0}"#), None),
        (search(r#""timed_out":true,"_shards":{"total":2,"failed":0}"#), Some("timed out")),
        (search(r#""timed_out":false,"_shards":{"total":2,"failed":1}"#), Some("failed: 1")),
        (format!(r#"{{"Records":[{EVENT}],"status":"x"}}"#), None),
    ] {
        let mut found = Collected::default();
        let outcome = FileDecoder::new().decode(file.as_bytes(), &mut found);
        assert_eq!((outcome.is_part, found.rejects.len()), (word.is_some(), 0), "{file}");
        let notes = outcome.notes.join("; ");
        assert!(word.map_or(notes.is_empty(), |word| notes.contains(word)), "{notes}: {file}");
    }
}

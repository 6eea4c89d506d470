//! Every shape of §1.2, in every packing, gives the record back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;

/// Shapes that keep the record's own text, each with one record in it.
pub(super) fn full_shapes() -> Vec<String> {
    let text = quoted(EVENT);
    let subscription = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],"logEvents":[{{"id":"1","timestamp":1,"message":{text}}}]}}"#
    );
    let data = STANDARD.encode(gzip(subscription.as_bytes()));
    vec![
        format!(r#"{{"Records":[{EVENT}]}}"#),
        format!("\u{feff}{{ \"Records\" : [ {EVENT} ] , \"more\": 1 }}\r\n"),
        EVENT.to_owned(),
        format!("[{EVENT}]"),
        format!(
            r#"{{"Events":[{{"EventId":"e","EventName":"Decrypt","EventSource":"kms.amazonaws.com","ReadOnly":"true","EventTime":1688990400.0,"CloudTrailEvent":{text},"Resources":[]}}],"NextToken":"t"}}"#
        ),
        format!(r#"{{"NextToken":"t","Events":[{{"CloudTrailEvent":{text}}}]}}"#),
        format!("[{text}]"),
        format!("[[{text}]]"),
        text.clone(),
        format!(
            "EVENTS\tAKIA1\t{EVENT}\te-1\tDecrypt\tkms.amazonaws.com\t2023-07-10T12:00:00+00:00\ttrue\talice\nRESOURCES\tarn:x\tAWS::KMS::Key\nNEXTTOKEN\tabc\n"
        ),
        format!(
            r#"{{"events":[{{"logStreamName":"s","timestamp":1,"message":{text},"ingestionTime":2,"eventId":"3"}}],"searchedLogStreams":[]}}"#
        ),
        format!("2023-07-10T12:00:03.000Z {EVENT}\n"),
        format!("2023-07-10T12:00:03.000000+00:00 my-stream {EVENT}\n"),
        format!("<134>Mar  4 05:06:07 host cloudtrail: {EVENT}\n"),
        format!("<6>1 2023-07-10T12:00:03Z host cloudtrail - - - {EVENT}\n"),
        format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#),
        format!(
            r#"{{"Records":[{{"kinesis":{{"data":"{data}"}},"eventID":"s","eventVersion":"1.0","eventName":"aws:kinesis:record","eventSource":"aws:kinesis"}}]}}"#
        ),
        format!(r#"{{"records":[{{"recordId":"1","data":"{data}"}}]}}"#),
        subscription,
        format!(
            r#"{{"status":"Complete","results":[[{{"field":"@timestamp","value":"x"}},{{"field":"@message","value":{text}}},{{"field":"@ptr","value":"p"}}]],"statistics":{{}}}}"#
        ),
        format!("@timestamp,@message\r\n2023-07-10 12:00:00.000,{}\r\n", csv_quoted(EVENT)),
        format!("eventID,eventJson\ne-1,{}\n", csv_quoted(EVENT)),
        format!(
            r#"{{"QueryStatus":"FINISHED","QueryStatistics":{{}},"QueryResultRows":[[{{"eventID":"e-1"}},{{"eventJson":{text}}}]]}}"#
        ),
        format!(r#"{{"preview":false,"result":{{"_raw":{text},"_time":"x"}}}}"#),
        format!(r#"{{"results":[{{"_raw":{text}}}]}}"#),
        format!(r#"[{{"_raw":{text}}}]"#),
        format!("_time,_raw\nx,{}\n", csv_quoted(EVENT)),
        format!(r#"{{"_source":{{"event":{{"original":{text},"kind":"event"}},"@timestamp":"x"}}}}"#),
        format!(r#"{{"time":1,"host":"h","sourcetype":"aws:cloudtrail","event":{text}}}"#),
        data.clone(),
        data.as_bytes().chunks(76).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n") + "\n",
        format!(
            r#"{{"Records":[{{"SequenceNumber":"1","Data":"{data}","PartitionKey":"p"}}],"MillisBehindLatest":0}}"#
        ),
        quoted(&text),
        quoted(&quoted(&format!("[{EVENT}]"))),
        format!(r#"{{"Messages":[{{"MessageId":"1","ReceiptHandle":"r","MD5OfBody":"x","Body":{text}}}]}}"#),
        format!(
            r#"{{"UpdateCount":0,"ResultSet":{{"Rows":[{{"Data":[{{"VarCharValue":"day"}},{{"VarCharValue":"eventjson"}}]}},{{"Data":[{{}},{{"VarCharValue":{text}}}]}}]}}}}"#
        ),
    ]
}

/// Shapes whose record somebody has read and written again.
pub(super) fn reencoded_shapes() -> Vec<String> {
    vec![
        format!(
            r#"{{"version":"0","id":"i","detail-type":"AWS API Call via CloudTrail","source":"aws.kms","account":"1","time":"t","region":"r","resources":[],"detail":{EVENT}}}"#
        ),
        format!(
            r#"{{"events":[{{"message":{}}}]}}"#,
            quoted(&format!(r#"{{"detail-type":"AWS Service Event via CloudTrail","detail":{EVENT}}}"#))
        ),
        format!(
            r#"{{"took":1,"hits":{{"total":{{"value":1}},"hits":[{{"_index":"i","_id":"1","_source":{EVENT}}}]}}}}"#
        ),
        format!(r#"{{"_index":"i","_id":"1","_source":{EVENT}}}"#),
        format!(r#"[{{"_raw":{{"Records":[{EVENT}]}}}}]"#),
        format!(r#"{{"time":1,"host":"h","sourcetype":"aws:cloudtrail","event":{EVENT}}}"#),
        format!(
            r#"{{"Messages":[{{"MessageId":"1","ReceiptHandle":"r","MD5OfBody":"x","Body":{}}}]}}"#,
            quoted(&format!(r#"{{"detail-type":"AWS API Call via CloudTrail","detail":{EVENT}}}"#))
        ),
    ]
}

#[test]
fn every_shape_gives_the_record_back_in_every_packing() {
    let full = full_shapes().into_iter().map(|shape| (shape, DetailLevel::Full));
    let shapes = full.chain(reencoded_shapes().into_iter().map(|shape| (shape, DetailLevel::Reencoded)));
    let mut count = 0;
    for (shape, level) in shapes {
        let plain = shape.as_bytes();
        let packings = [
            plain.to_vec(),
            gzip(plain),
            gzip(&gzip(plain)),
            zstd(plain),
            zip(&[("a/b.json", plain)]),
            tar(&[("a/b.json", plain)]),
            gzip(&tar(&[("b.json.gz", &gzip(plain))])),
            zip(&[("b.tar.zst", &zstd(&tar(&[("c", plain)])))]),
        ];
        for bytes in packings {
            let (outcome, collected) = decode(&bytes);
            assert_eq!(collected.records, [(0, EVENT.to_owned())], "{shape}: {:?}", collected.reasons());
            assert_eq!((outcome.kind, collected.levels[0]), (LogFileKind::Events, level), "{shape}");
            count += 1;
        }
    }
    assert_eq!(count, 8 * 43);
}

#[test]
fn several_values_follow_each_other() {
    for separator in ["\n", "", "\t", "\r\n\r\n"] {
        let (_, collected) = decode([EVENT, EVENT, ""].join(separator).as_bytes());
        assert_eq!(collected.records.len(), 2, "{separator:?}");
    }
    let (_, collected) = decode(&[gzip(EVENT.as_bytes()), gzip(EVENT.as_bytes())].concat());
    assert_eq!(collected.records.len(), 2);
}

#[test]
fn what_only_looks_like_a_wrapper_stays_a_reject_with_its_bytes() {
    for text in [
        r#"{"event":{"action":"Decrypt","provider":"kms.amazonaws.com"}}"#,
        r#"{"event":{"original":"<134>Mar  4 host x"},"@timestamp":"x"}"#,
        r#"{"event":"started"}"#,
        r#"{"Messages":[{"text":"hello"}]}"#,
        r#"{"Messages":[]}"#,
        r#"{"Data":"hello"}"#,
        r#"{"ResultSet":{"Rows":[{"Data":[{"VarCharValue":"key"}]},{"Data":[{"VarCharValue":"k"}]}]}}"#,
        r#"{"ResultSet":[]}"#,
        r#""\"hello\"""#,
        r#""[1,2]""#,
        "H4sIAAAAAAAAA not base64",
    ] {
        let (outcome, collected) = decode(text.as_bytes());
        assert_eq!(
            (outcome.kind, collected.rejects.len()),
            (LogFileKind::Unknown, 1),
            "{text}: {:?}",
            collected.reasons()
        );
        let bytes = if text.starts_with("H4sI") { text.replace(' ', "") } else { text.to_owned() };
        assert_eq!(collected.rejects[0].2, bytes.as_bytes(), "{text}");
    }
    let notification =
        quoted(r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#);
    let messages = format!(r#"{{"Messages":[{{"MessageId":"1","ReceiptHandle":"r","Body":{notification}}}]}}"#);
    let (outcome, collected) = decode(messages.as_bytes());
    assert_eq!((outcome.kind, collected.rejects.len()), (LogFileKind::Notification, 0), "{:?}", collected.reasons());
}

#[test]
fn rows_of_athena_are_named_by_their_first_one() {
    let cell = |text: &str| format!(r#"{{"VarCharValue":{}}}"#, quoted(text));
    let row = |cells: &[&str]| {
        format!(r#"{{"Data":[{}]}}"#, cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(","))
    };
    let names = ["eventid", "eventname", "eventsource", "eventtime"];
    let event = row(&["e-1", "Decrypt", "kms.amazonaws.com", "2024-01-31T10:00:00Z"]);
    let expected = r#"{"eventID":"e-1","eventName":"Decrypt","eventSource":"kms.amazonaws.com","eventTime":"2024-01-31T10:00:00Z"}"#;
    let columns = names.map(|name| format!(r#"{{"Name":"{name}","Type":"varchar"}}"#)).join(",");
    let described = format!(r#","ResultSetMetadata":{{"ColumnInfo":[{columns}]}}"#);
    for (rows, described, taken) in [
        (vec![row(&names), event.clone(), event.clone()], "", 2),
        (vec![row(&names), event.clone()], described.as_str(), 1),
        // The pages behind the first have no row of names.
        (vec![event.clone(), event.clone()], described.as_str(), 2),
    ] {
        let text = format!(r#"{{"ResultSet":{{"Rows":[{}]{described}}}}}"#, rows.join(","));
        assert_eq!(texts(text.as_bytes()), vec![expected; taken], "{text}");
    }
    let short = row(&["e-1"]);
    let text = format!(r#"{{"ResultSet":{{"Rows":[{},{short},{event}]}}}}"#, row(&names));
    let (_, collected) = decode(text.as_bytes());
    assert_eq!((collected.texts(), collected.reasons()), (vec![expected], vec!["1 cells where the header names 4"]));
    assert_eq!(collected.rejects[0].2, short.as_bytes());
}

#[test]
fn every_list_of_a_container_is_read() {
    for text in [
        format!(r#"{{"Records":[{EVENT}],"Records":[{EVENT},{EVENT}]}}"#),
        format!(r#"{{"Events":[{EVENT}],"nextToken":"t","Records":[{EVENT},{EVENT}],"x":[1]}}"#),
    ] {
        let (outcome, collected) = decode(text.as_bytes());
        assert_eq!((outcome.record_count, collected.records.len()), (3, 3), "{text}");
    }
}

#[test]
fn records_beside_a_container_s_lists_are_rejected_with_their_bytes() {
    let others = format!("[{},{}]", event(8), event(9));
    for text in
        [format!(r#"{{"Records":[{EVENT}],"Foo":{others}}}"#), format!(r#"{{"Foo":{others},"Records":[{EVENT}]}}"#)]
    {
        let (_, collected) = decode(text.as_bytes());
        assert_eq!(collected.texts(), [EVENT], "{text}");
        assert_eq!(collected.reasons(), ["a member beside the records that is not read, and holds some"], "{text}");
        assert_eq!(collected.rejects[0].2, others.as_bytes());
    }
    let usual = format!(
        r#"{{"events":[{{"message":{}}}],"searchedLogStreams":[{{"logStreamName":"eventSource"}}],"nextToken":"t"}}"#,
        quoted(EVENT)
    );
    assert_eq!(decode(usual.as_bytes()).1.reasons(), Vec::<&str>::new());
}

#[test]
fn a_header_between_the_rows_of_a_table_is_no_event() {
    let table = "Event name,Event source,Event time,Event ID\nDecrypt,kms.amazonaws.com,2024-01-31T10:00:00Z,a\n";
    let (outcome, collected) = decode([table, table].concat().as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 0));
    assert_eq!(outcome.notes, [format!("its header once more, at byte {}", table.len())]);
}

#[test]
fn what_is_no_log_file_is_named() {
    for (text, kind, reason) in [
        (r#"{"Records":[]}"#, LogFileKind::Events, None),
        ("[]", LogFileKind::Events, None),
        ("", LogFileKind::Empty, None),
        (" \n", LogFileKind::Empty, None),
        ("\u{feff}", LogFileKind::Empty, None),
        (
            r#"{"awsAccountId":"1","digestStartTime":"","digestEndTime":"","digestS3Object":"x","logFiles":[]}"#,
            LogFileKind::Digest,
            None,
        ),
        (r#"{"Records":[{"eventCategory":"Insight","eventType":"AwsCloudTrailInsight"}]}"#, LogFileKind::Insight, None),
        (
            r#"{"Records":[{"eventCategory":"NetworkActivity","eventSource":"kms.amazonaws.com","eventName":"Decrypt"}]}"#,
            LogFileKind::NetworkActivity,
            None,
        ),
        (r#"[{"eventCategory":"Aggregated","eventType":"AwsAggregatedEvent"}]"#, LogFileKind::Aggregated, None),
        (
            r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}"#,
            LogFileKind::Notification,
            None,
        ),
        (r#"{"s3Bucket":"b","s3ObjectKey":["k"]}"#, LogFileKind::Notification, None),
        (
            r#"{"Type":"Notification","Message":"{\"s3Bucket\":\"b\",\"s3ObjectKey\":[\"k\"]}"}"#,
            LogFileKind::Notification,
            None,
        ),
        (r#"{"Type":"Notification","Message":"CloudTrail validation message."}"#, LogFileKind::Notification, None),
        (r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#, LogFileKind::Notification, None),
        (
            r#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#,
            LogFileKind::ControlMessage,
            None,
        ),
        ("Permission Check Successful", LogFileKind::ControlMessage, None),
        (
            r#"{"version":"1.0","files":[{"fileHashValue":"x","fileName":"result_1.csv.gz"}],"hashSignature":"x","queryCompleteTime":"t"}"#,
            LogFileKind::QuerySignature,
            None,
        ),
        (
            r#"{"class_uid":6003,"metadata":{"product":{"name":"CloudTrail"}},"time":1}"#,
            LogFileKind::SecurityLake,
            Some("an OCSF record of Amazon Security Lake: convert the trail's log files instead"),
        ),
        (
            "PAR1\u{15}class_uid\u{0}PAR1",
            LogFileKind::SecurityLake,
            Some("Amazon Security Lake (OCSF): keytrail reads CloudTrail's own records, convert the trail's log files"),
        ),
        (
            "PAR1\u{15}event_id\u{0}PAR1",
            LogFileKind::Unknown,
            Some("a Parquet file: keytrail reads CloudTrail's own records, convert the trail's log files"),
        ),
        (
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
            LogFileKind::Unknown,
            Some("an HTML or XML page, perhaps an error in place of a download: fetch the log file again"),
        ),
        (
            "Event name,Event ID\nDecrypt,e\n",
            LogFileKind::Unknown,
            Some("a table without the columns of CloudTrail events: `Event name` and `Event source`, or `eventJson`"),
        ),
        (
            r#"{"detail-type":"GuardDuty Finding","detail":{"severity":1}}"#,
            LogFileKind::Unknown,
            Some("an EventBridge event that CloudTrail did not make: GuardDuty Finding"),
        ),
        (
            "Dear reader",
            LogFileKind::Unknown,
            Some("not a CloudTrail log file: expected a JSON object or array at byte 0: begins with `Dear reader`"),
        ),
        (
            r#"{"Records":[{"dynamodb":{},"eventSource":"aws:dynamodb","eventVersion":"1.1","eventName":"INSERT"}]}"#,
            LogFileKind::Unknown,
            Some("not a CloudTrail event record: no `eventSource`"),
        ),
        ("42", LogFileKind::Unknown, Some("not a JSON object")),
        (r#"{"Keys":[{"KeyId":"k"}]}"#, LogFileKind::Unknown, Some("not a CloudTrail event record: no `eventSource`")),
    ] {
        let (outcome, collected) = decode(text.as_bytes());
        assert_eq!(collected.reasons(), reason.into_iter().collect::<Vec<_>>(), "{text}");
        assert_eq!((outcome.kind, collected.records.len()), (kind, 0), "{text}");
    }
}

#[test]
fn an_archive_is_read_entry_by_entry() {
    let three = [EVENT, EVENT, EVENT].map(str::as_bytes);
    let entries = [
        ("AWSLogs/one.json.gz", gzip(three[0])),
        ("__MACOSX/._one.json.gz", b"\0\x05\x16\x07".to_vec()),
        ("README", b"Dear reader".to_vec()),
        ("error.json", b"Dear reader".to_vec()),
        ("../../etc/passwd", three[1].to_vec()),
        ("empty", Vec::new()),
        ("broken.gz", gzip(three[0])[..40].to_vec()),
        ("with a \u{1b}[31m name", b"{".to_vec()),
        ("last.json", three[2].to_vec()),
    ];
    let entries: Vec<_> = entries.iter().map(|(name, content)| (*name, content.as_slice())).collect();
    for archive in [zip(&entries), tar(&entries)] {
        let (outcome, collected) = decode(&archive);
        let indexes: Vec<u64> = collected.records.iter().map(|(index, _)| *index).collect();
        assert_eq!((outcome.kind, indexes), (LogFileKind::Events, vec![0, 2, 5]), "{:?}", collected.reasons());
        let reasons = collected.reasons();
        assert_eq!(
            reasons[0],
            "entry `error.json`: not a CloudTrail log file: expected a JSON object or array at byte 0: begins with `Dear reader`"
        );
        assert!(reasons[1].starts_with("entry `broken.gz`: the packed data is cut short"), "{reasons:?}");
        assert!(reasons[2].starts_with(r"entry `with a \u{1b}[31m name`: "), "{reasons:?}");
        assert_eq!(reasons.len(), 3);
        assert_eq!(outcome.notes, ["entry `README`: text that is no log"]);
    }
}

#[test]
fn text_beside_logs_is_no_reject_alone_or_in_an_archive() {
    for (name, kind) in [("README", LogFileKind::Prose), ("a.json", LogFileKind::Unknown)] {
        let text = b"Dear reader";
        for (path, bytes) in [
            (name, text.to_vec()),
            ("a.zip", zip(&[(name, text)])),
            ("a.tar", tar(&[(name, text)])),
            ("a.tgz", gzip(&tar(&[(name, text)]))),
        ] {
            let (outcome, _) = decode_file(Some(path), &bytes, 1 << 20);
            let rejected_count = u64::from(kind == LogFileKind::Unknown);
            assert_eq!((outcome.kind, outcome.rejected_count), (kind, rejected_count), "{name} in {path}");
        }
    }
    let (outcome, _) = decode(b"Dear reader");
    assert_eq!(outcome.kind, LogFileKind::Unknown, "without a name");
}

#[test]
fn text_that_was_asked_for_is_a_reject() {
    let (page, prose) =
        ("<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>", "-----BEGIN PGP MESSAGE-----\n\nx\n");
    for (path, bytes) in [
        ("stdin", page.as_bytes()),
        ("stdin", prose.as_bytes()),
        ("/a/x", page.as_bytes()),
        ("/a/x.txt", prose.as_bytes()),
        ("/a/x.gz", gzip(prose.as_bytes()).as_slice()),
    ] {
        let mut collected = Collected::default();
        let outcome = FileDecoder::new().decode_asked_for(path, bytes, &mut collected);
        assert_eq!(
            (outcome.kind, outcome.rejected_count),
            (LogFileKind::Unknown, 1),
            "{path}: {:?}",
            collected.reasons()
        );
    }
    // Beside logs in an archive it is none of them, as ever.
    let archive = zip(&[("README", prose.as_bytes()), ("a.json", EVENT.as_bytes())]);
    let mut collected = Collected::default();
    let outcome = FileDecoder::new().decode_asked_for("a.zip", &archive, &mut collected);
    assert_eq!((outcome.record_count, outcome.rejected_count), (1, 0), "{:?}", collected.reasons());
}

#[test]
fn an_empty_archive_is_empty() {
    let [short, usual] = [1024, 10_240].map(|length| vec![0_u8; length]);
    for (path, bytes) in [
        ("a.tar", short.clone()),
        ("a.tar", usual.clone()),
        ("a.tar.gz", gzip(&usual)),
        ("a.tgz", gzip(&short)),
        ("a.zip", zip(&[("b.tar", &usual)])),
        ("a.zip", zip(&[])),
    ] {
        let (outcome, collected) = decode_file(Some(path), &bytes, 1 << 20);
        assert_eq!((outcome.kind, collected.rejects.len()), (LogFileKind::Empty, 0), "{path}");
    }
    // Zeros are what a crash leaves of a file.
    for (path, bytes) in [("a.json", usual.clone()), ("a.json.gz", gzip(&usual)), ("a.tar", vec![0; 4096])] {
        let (_, collected) = decode_file(Some(path), &bytes, 1 << 20);
        assert_eq!(collected.rejects.len(), 1, "{path}");
    }
}

#[test]
fn a_damaged_line_of_syslog_costs_itself() {
    let line = |text: &str| format!("<134>Mar  4 05:06:07 host cloudtrail: {text}\n");
    let text = [line(EVENT), line(&EVENT[..200]), line("started"), line(EVENT)].concat();
    let (_, collected) = decode(text.as_bytes());
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 2), "{:?}", collected.reasons());
    assert_eq!(collected.reasons()[1], "a log line without an event");
}

#[test]
fn a_damaged_archive_costs_what_is_damaged() {
    let content = [event(1), event(2), event(3)];
    let entries: Vec<_> = ["a", "b", "c"].into_iter().zip(content.iter().map(String::as_bytes)).collect();
    let whole = zip(&entries);
    let (outcome, collected) = decode(&whole[..whole.len() - 30]);
    assert_eq!((outcome.kind, collected.records.len()), (LogFileKind::Unknown, 0));
    assert!(collected.reasons()[0].starts_with("the zip archive is damaged or cut short"), "{:?}", collected.reasons());
    let mut flipped = whole.clone();
    flipped[60] ^= 4;
    let (_, collected) = decode(&flipped);
    assert_eq!((collected.records.len(), collected.rejects.len()), (2, 1), "{:?}", collected.reasons());
    assert!(collected.reasons()[0].starts_with("entry `a`: the zip entry is damaged"), "{:?}", collected.reasons());

    let whole = tar(&entries);
    let (_, collected) = decode(&whole[..512 + 1024 + 512 + 300]);
    assert_eq!(collected.texts(), [content[0].as_str()]);
    assert_eq!(collected.reasons(), ["entry `b`: the tar archive is cut short"]);
    let (_, collected) = decode(&gzip(&whole)[..gzip(&whole).len() - 20]);
    assert!(!collected.rejects.is_empty());
}

#[test]
fn entries_that_a_directory_hides_are_told() {
    let mut archive = zip(&[("same", EVENT.as_bytes()), ("sama", EVENT.as_bytes())]);
    let places: Vec<usize> = memchr::memmem::find_iter(&archive, b"sama").collect();
    for place in places {
        archive[place + 3] = b'e';
    }
    let (_, collected) = decode(&archive);
    assert_eq!(collected.records.len() + collected.rejects.len(), 2);
    assert_eq!(collected.reasons(), ["1 entries of the zip archive are not counted, or have another one's name"]);
    // Its end counts one of two.
    let mut archive = zip(&[("a", EVENT.as_bytes()), ("b", EVENT.as_bytes())]);
    let end = memchr::memmem::rfind(&archive, b"PK\x05\x06").expect("the archive's end");
    (archive[end + 8], archive[end + 10]) = (1, 1);
    let (_, collected) = decode(&archive);
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 1), "{:?}", collected.reasons());
    // Two archives: the directory of the last is that of the file.
    let (_, collected) = decode(&[zip(&[("a", EVENT.as_bytes())]), zip(&[])].concat());
    assert_eq!((collected.records.len(), collected.rejects.len()), (0, 1), "{:?}", collected.reasons());
}

#[test]
fn what_follows_a_zip_archive_or_is_its_comment_is_told() {
    let archive = zip(&[("a", EVENT.as_bytes())]);
    let json = event(1);
    for (rest, reason) in [
        (json.as_bytes().to_vec(), "bytes after the zip archive that are none of it, and may have held records"),
        (gzip(json.as_bytes()), "bytes after the zip archive that are none of it, and may have held records"),
        (vec![b'x'; 70], "70 bytes after the zip archive that are none of it, and may have held records"),
    ] {
        let (_, collected) = decode(&[archive.clone(), rest.clone()].concat());
        assert_eq!((collected.records.len(), collected.rejects.len()), (1, 1), "{:?}", collected.reasons());
        assert!(collected.reasons()[0].ends_with(reason), "{:?}", collected.reasons());
        assert_eq!(collected.rejects[0].2, rest);
    }
    let (outcome, collected) = decode(&[archive.clone(), vec![0; 7]].concat());
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 0));
    assert_eq!(outcome.notes, ["7 zero bytes after the zip archive"]);
    for (comment, notes, reasons) in [
        (json.as_str(), vec![], vec!["the zip archive's comment is not read, and may hold records"]),
        ("8c7d0e", vec!["the zip archive has a comment of 6 bytes"], vec![]),
    ] {
        let mut commented = archive.clone();
        let length = u16::try_from(comment.len()).expect("short").to_le_bytes();
        let end = commented.len();
        commented[end - 2..].copy_from_slice(&length);
        commented.extend_from_slice(comment.as_bytes());
        let (outcome, collected) = decode(&commented);
        assert_eq!(
            (collected.reasons(), outcome.notes),
            (reasons, notes.iter().map(ToString::to_string).collect::<Vec<_>>())
        );
        assert_eq!(collected.records.len(), 1);
    }
}

#[test]
fn archives_behind_each_other_are_read() {
    let [first, second] = ["a", "b"].map(|name| tar(&[(name, EVENT.as_bytes())]));
    for bytes in [[first.clone(), second.clone()].concat(), [gzip(&first), gzip(&second)].concat()] {
        let (_, collected) = decode(&bytes);
        assert_eq!((collected.records.len(), collected.rejects.len()), (2, 0), "{:?}", collected.reasons());
    }
    let mut damaged = tar(&[("a", EVENT.as_bytes()), ("b", EVENT.as_bytes())]);
    let header = damaged.len() / 512 * 512 - 1024 - 1024 - 512;
    damaged[header..header + 512].fill(0);
    let (_, collected) = decode(&damaged);
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 1), "{:?}", collected.reasons());
}

#[test]
fn an_entry_that_cannot_be_opened_is_told_by_its_name() {
    let mut archive = zip(&[("a", EVENT.as_bytes()), ("b", EVENT.as_bytes())]);
    let entry = memchr::memmem::rfind(&archive, b"PK\x01\x02").expect("the directory's last entry");
    archive[entry + 8] |= 1;
    let (_, collected) = decode(&archive);
    assert_eq!((collected.records.len(), collected.rejects.len()), (1, 1));
    assert!(collected.reasons()[0].starts_with("entry `b`: the zip entry cannot be read"), "{:?}", collected.reasons());
}

#[test]
fn an_office_document_is_no_archive_of_logs() {
    let (outcome, collected) = decode(&zip(&[("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")]));
    assert_eq!(outcome.kind, LogFileKind::Unknown);
    assert_eq!(collected.reasons(), ["an Office document: save its table as CSV and convert that"]);
}

#[test]
fn records_of_a_table_are_written_in_the_order_of_its_columns() {
    let lake = "eventVersion,userIdentity,eventTime,eventSource,eventName,requestParameters,resources,eventID,readOnly,new\n\
        1.08,\"{type=AssumedRole, arn=arn:aws:sts::1:assumed-role/r/s, sessionContext={sessionIssuer={arn=arn:aws:iam::1:role/r}}}\",2023-07-10 12:00:00.000,kms.amazonaws.com,Decrypt,\"{keyId=alias/a, encryptionContext={a=b, c=d}}\",\"[{accountId=011122223333, type=AWS::KMS::Key, arn=KEY, arnPrefix=null}]\",e-1,true,x\n"
        .replace("KEY", KEY);
    let (_, mut collected) = decode(lake.as_bytes());
    let expected = r#"{"eventVersion":"1.08","userIdentity":"{type=AssumedRole, arn=arn:aws:sts::1:assumed-role/r/s, sessionContext={sessionIssuer={arn=arn:aws:iam::1:role/r}}}","eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","requestParameters":"{keyId=alias/a, encryptionContext={a=b, c=d}}","resources":"[{accountId=011122223333, type=AWS::KMS::Key, arn=KEY, arnPrefix=null}]","eventID":"e-1","readOnly":true,"new":"x"}"#.replace("KEY", KEY);
    assert_eq!(collected.texts(), [expected.as_str()], "{:?}", collected.reasons());
    for (column, value) in [
        ("detail_level", Some("flattened")),
        ("key_arn", Some(KEY)),
        ("key_resolution", Some("resources")),
        ("requested_key_ref", Some("alias/a")),
        ("context_state", Some("unknown")),
        ("role_arn", Some("arn:aws:iam::1:role/r")),
        ("role_session_name", Some("s")),
        ("unknown_fields", Some(r#"{"new":"x"}"#)),
        ("raw_record", None),
    ] {
        assert_eq!(collected.value(column).as_deref(), value, "{column}");
    }
}

#[test]
fn a_field_of_two_columns_belongs_to_the_first() {
    let joined = "eventTime,eventSource,eventName,Event time,eventName\n2023-07-10T12:00:00Z,kms.amazonaws.com,Decrypt,yesterday,Other\n";
    let (_, mut collected) = decode(joined.as_bytes());
    let expected = r#"{"eventTime":"2023-07-10T12:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","eventTime_4":"yesterday","eventName_5":"Other"}"#;
    assert_eq!(collected.texts(), [expected], "{:?}", collected.reasons());
    assert_eq!(collected.value("event_name").as_deref(), Some("Decrypt"));
}

#[test]
fn a_bad_row_costs_itself() {
    let rows = "eventSource,eventName,userAgent\nkms.amazonaws.com,Decrypt,x\nkms.amazonaws.com,Decrypt\nkms.amazonaws.com,,x\nkms.amazonaws.com,Encrypt,y\nkms.amazonaws.com,Encrypt,\"y";
    let (outcome, collected) = decode(rows.as_bytes());
    assert_eq!((collected.records.len(), outcome.kind), (2, LogFileKind::Events));
    assert_eq!(
        collected.reasons(),
        [
            "2 cells where the header names 3",
            "not a CloudTrail event record: no `eventName`",
            "the text ends inside a quoted cell"
        ]
    );
    assert_eq!(
        (collected.rejects[0].2.as_slice(), collected.offsets[0]),
        (b"kms.amazonaws.com,Decrypt\n".as_slice(), 60)
    );
    let (_, collected) =
        decode(b"eventSource,eventName,userAgent\nkms.amazonaws.com,Decrypt,\xff\nkms.amazonaws.com,Decrypt,x\n");
    assert_eq!((collected.records.len(), collected.reasons()), (1, vec!["a cell that is not UTF-8"]));
    let packed = gzip(rows.as_bytes());
    let (_, collected) = decode(&packed[..packed.len() - 20]);
    assert!(collected.reasons().iter().any(|reason| reason.contains("cut short")), "{:?}", collected.reasons());
}

//! Recipes for the events of all services but KMS.
//!
//! They are there so that KMS events are found among others, at realistic sizes; no view reads more than their envelope.

use super::draft::EventKind;
use super::identity;
use super::random::Weighted;
use super::scene::{Recipe, Scene};

/// The mix of other events.
pub(crate) const OTHER_RECIPES: &[Weighted<Recipe>] = &[
    (260, describe),
    (190, assume_role),
    (110, s3_data),
    (80, s3_bucket),
    (70, log_stream),
    (60, lambda_function),
    (50, secret_value),
    (50, agent_ping),
    (40, iam),
    (40, denied_describe),
    (20, web_identity),
    (10, saml),
    (10, run_instances),
    (6, console_login),
];

/// Calls that differ in service, name and parameters only.
const DESCRIPTIONS: &[Weighted<(&str, &str, &str)>] = &[
    (
        30,
        (
            "ec2.amazonaws.com",
            "DescribeInstances",
            r#"{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"pending"},{"value":"running"}]}},{"name":"tag:cluster","valueSet":{"items":[{"value":"prod-blue"}]}}]}}"#,
        ),
    ),
    (
        14,
        (
            "ec2.amazonaws.com",
            "DescribeVolumes",
            r#"{"maxResults":500,"volumeSet":{},"filterSet":{"items":[{"name":"encrypted","valueSet":{"items":[{"value":"true"}]}}]}}"#,
        ),
    ),
    (
        12,
        (
            "ec2.amazonaws.com",
            "DescribeNetworkInterfaces",
            r#"{"networkInterfaceIdSet":{},"filterSet":{"items":[{"name":"tag:node.k8s.amazonaws.com/no_manage","valueSet":{"items":[{"value":"true"}]}}]}}"#,
        ),
    ),
    (
        10,
        (
            "ec2.amazonaws.com",
            "DescribeSecurityGroups",
            r#"{"securityGroupSet":{},"securityGroupIdSet":{},"filterSet":{}}"#,
        ),
    ),
    (
        10,
        (
            "ec2.amazonaws.com",
            "DescribeTags",
            r#"{"filterSet":{"items":[{"name":"resource-type","valueSet":{"items":[{"value":"instance"}]}}]}}"#,
        ),
    ),
    (
        9,
        (
            "elasticloadbalancing.amazonaws.com",
            "DescribeTargetHealth",
            r#"{"targetGroupArn":"arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/checkout/73e2d6bc24d8a067"}"#,
        ),
    ),
    (8, ("autoscaling.amazonaws.com", "DescribeAutoScalingGroups", r#"{"maxRecords":100}"#)),
    (8, ("monitoring.amazonaws.com", "DescribeAlarms", r#"{"maxRecords":100,"stateValue":"ALARM"}"#)),
    (7, ("config.amazonaws.com", "DescribeConfigurationRecorderStatus", "null")),
    (7, ("dynamodb.amazonaws.com", "DescribeTable", r#"{"tableName":"orders"}"#)),
    (7, ("rds.amazonaws.com", "DescribeDBInstances", r#"{"maxRecords":100}"#)),
    (
        6,
        (
            "ecr.amazonaws.com",
            "BatchGetImage",
            r#"{"registryId":"111122223333","repositoryName":"checkout","imageIds":[{"imageTag":"2026.3.1"}],"acceptedMediaTypes":["application/vnd.docker.distribution.manifest.v2+json"]}"#,
        ),
    ),
    (
        5,
        (
            "sqs.amazonaws.com",
            "GetQueueAttributes",
            r#"{"attributeNames":["All"],"queueUrl":"https://sqs.us-east-1.amazonaws.com/111122223333/orders"}"#,
        ),
    ),
    (
        5,
        (
            "tagging.amazonaws.com",
            "GetResources",
            r#"{"resourcesPerPage":100,"tagFilters":[{"key":"owner","values":["platform"]}]}"#,
        ),
    ),
    (
        4,
        (
            "cloudtrail.amazonaws.com",
            "LookupEvents",
            r#"{"maxResults":50,"lookupAttributes":[{"attributeKey":"EventName","attributeValue":"DisableKey"}]}"#,
        ),
    ),
    (4, ("ecs.amazonaws.com", "DescribeTasks", r#"{"cluster":"prod","tasks":["0f5b1e6dbd2f4a55a7b4a8e5f3c1d2e3"]}"#)),
];

fn describe(scene: &mut Scene<'_, '_>) {
    let (source, name, request) = super::random::pick_weighted(&mut scene.random, DESCRIPTIONS);
    scene.begin(source, name);
    scene.draft.read_only = Some(true);
    scene.draft.request.set(request);
    let caller = scene.workload();
    if scene.random.chance(0.2) {
        scene.called_via(caller, "autoscaling.amazonaws.com");
    } else {
        scene.called_by(caller);
    }
}

fn denied_describe(scene: &mut Scene<'_, '_>) {
    describe(scene);
    scene.draft.fail("Client.UnauthorizedOperation", "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/monitoring-reader/9f2c is not authorized to perform: ec2:DescribeInstances because no identity-based policy allows the ec2:DescribeInstances action");
}

/// STS answers with a session token that does not compress: it is most of the record.
fn assume_role(scene: &mut Scene<'_, '_>) {
    const SERVICES: [&str; 6] = [
        "ec2.amazonaws.com",
        "lambda.amazonaws.com",
        "ecs-tasks.amazonaws.com",
        "glue.amazonaws.com",
        "autoscaling.amazonaws.com",
        "config.amazonaws.com",
    ];
    scene.begin("sts.amazonaws.com", "AssumeRole");
    scene.draft.read_only = Some(true);
    let role = scene.workload();
    let service = *scene.random.pick_skewed(&SERVICES);
    write_role_request(scene, &role.name, &role.session);
    write_credentials(scene, &role.id, &role.name, &role.session);
    scene.called_by_service(service);
    scene.share();
}

fn write_role_request(scene: &mut Scene<'_, '_>, role: &str, session: &str) {
    let (partition, account) = (scene.world.partition, scene.account_id());
    let request = &mut scene.draft.request;
    request.open().text_of("roleArn", &["arn:", partition, ":iam::", account, ":role/", role]);
    request.text("roleSessionName", session).raw("durationSeconds", "3600").close();
}

fn write_credentials(scene: &mut Scene<'_, '_>, role_id: &str, role: &str, session: &str) {
    let (partition, account) = (scene.world.partition, scene.account_id());
    let access_key = scene.random.base32("ASIA", 16);
    let token = scene.random.alphanumeric(280);
    let response = &mut scene.draft.response;
    response.open().member("credentials").open().text("accessKeyId", &access_key);
    response.text_of("sessionToken", &["IQoJb3JpZ2luX2VjEC0aCXVzLWVhc3QtMSJGMEQC", &token, "=="]);
    response.text("expiration", &super::json::java_time_text(scene.time + 3_600)).close();
    response.member("assumedRoleUser").open().text_of("assumedRoleId", &[role_id, ":", session]);
    response
        .text_of("arn", &["arn:", partition, ":sts::", account, ":assumed-role/", role, "/", session])
        .close()
        .close();
}

fn web_identity(scene: &mut Scene<'_, '_>) {
    scene.begin("sts.amazonaws.com", "AssumeRoleWithWebIdentity");
    scene.draft.read_only = Some(true);
    let role = scene.role("eks-node-group-role");
    write_role_request(scene, &role.name, "1741948800123456789");
    write_credentials(scene, &role.id, &role.name, "1741948800123456789");
    let provider = [
        "arn:",
        scene.world.partition,
        ":iam::",
        scene.account_id(),
        ":oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B716D3041E",
    ]
    .concat();
    identity::write_web_identity(&mut scene.draft.identity, &provider, "system:serviceaccount:prod:checkout");
    scene.draft.address.push_str(&role.address);
    scene.draft.agent.push_str(role.agent);
}

fn saml(scene: &mut Scene<'_, '_>) {
    scene.begin("sts.amazonaws.com", "AssumeRoleWithSAML");
    scene.draft.read_only = Some(true);
    let role = scene.role("ci-deployer");
    write_role_request(scene, &role.name, "jo.meier@example.com");
    write_credentials(scene, &role.id, &role.name, "jo.meier@example.com");
    identity::write_saml(&mut scene.draft.identity, "jo.meier@example.com");
    scene.draft.address.push_str("203.0.113.77");
    scene.draft.agent.push_str("aws-internal/3 aws-sdk-java/1.12.488");
}

fn s3_data(scene: &mut Scene<'_, '_>) {
    let name = *scene.random.pick_skewed(&["GetObject", "PutObject", "HeadObject", "DeleteObject"]);
    scene.begin("s3.amazonaws.com", name);
    scene.draft.kind = EventKind::DataEvent;
    scene.draft.read_only = Some(matches!(name, "GetObject" | "HeadObject"));
    let bucket = scene.random.pick_skewed(&scene.place().buckets).as_str();
    let mut object = String::from("exports/daily/part-");
    scene.random.push_hex(&mut object, 12);
    object.push_str(".parquet");
    let host = [bucket, ".s3.", scene.region(), ".amazonaws.com"];
    scene.draft.request.open().text("bucketName", bucket).text_of("Host", &host).text("key", &object).close();
    write_transfer(scene);
    scene.draft.request_id.clear();
    scene.random.push_base32(&mut scene.draft.request_id, 16);
    let caller = scene.workload();
    scene.called_by(caller);
}

fn write_transfer(scene: &mut Scene<'_, '_>) {
    let id = scene.random.alphanumeric(74);
    let bytes = scene.random.below(5_000_000).to_string();
    let additional = &mut scene.draft.additional;
    additional
        .open()
        .text("SignatureVersion", "SigV4")
        .text("CipherSuite", "TLS_AES_128_GCM_SHA256")
        .raw("bytesTransferredIn", "0");
    additional
        .text("SSEApplied", "SSE_KMS")
        .text("AuthenticationMethod", "AuthHeader")
        .text_of("x-amz-id-2", &[&id, "="])
        .raw("bytesTransferredOut", &bytes)
        .close();
}

fn s3_bucket(scene: &mut Scene<'_, '_>) {
    let name = *scene.random.pick(&["GetBucketAcl", "GetBucketEncryption", "GetBucketLocation", "ListBuckets"]);
    scene.begin("s3.amazonaws.com", name);
    scene.draft.read_only = Some(true);
    let bucket = scene.random.pick_skewed(&scene.place().buckets).as_str();
    let host = [bucket, ".s3.", scene.region(), ".amazonaws.com"];
    scene.draft.request.open().text("bucketName", bucket).text_of("Host", &host).text("acl", "").close();
    write_transfer(scene);
    let caller = scene.person();
    scene.called_by(caller);
}

fn log_stream(scene: &mut Scene<'_, '_>) {
    scene.begin("logs.amazonaws.com", "CreateLogStream");
    scene.draft.read_only = Some(false);
    let group = scene.random.pick_skewed(&scene.place().log_groups).as_str();
    let name = group.rsplit_once("log-group:").map_or(group, |(_, name)| name);
    let stream = scene.random.hex(32);
    let day = super::json::time_text(scene.time)[..10].replace('-', "/");
    scene
        .draft
        .request
        .open()
        .text("logGroupName", name)
        .text_of("logStreamName", &[&day, "/[$LATEST]", &stream])
        .close();
    let caller = scene.workload();
    scene.called_by(caller);
}

fn lambda_function(scene: &mut Scene<'_, '_>) {
    let name =
        *scene.random.pick_skewed(&["GetFunction20150331v2", "ListFunctions20150331", "UpdateFunctionCode20150331v2"]);
    scene.begin("lambda.amazonaws.com", name);
    let reads = !name.starts_with("Update");
    scene.draft.read_only = Some(reads);
    let function = scene.random.pick_skewed(&scene.place().functions).as_str();
    scene.draft.request.open().text("functionName", function).close();
    if !reads {
        scene
            .draft
            .response
            .open()
            .text("functionArn", function)
            .text("runtime", "python3.12")
            .raw("codeSize", "4183213");
        scene
            .draft
            .response
            .text("kMSKeyArn", &scene.world.key(scene.place_index, super::world::Purpose::Lambda, 0).arn)
            .close();
    }
    let caller = scene.person();
    scene.called_by(caller);
}

fn secret_value(scene: &mut Scene<'_, '_>) {
    scene.begin("secretsmanager.amazonaws.com", "GetSecretValue");
    scene.draft.read_only = Some(true);
    let secret = scene.random.pick_skewed(&scene.place().secrets).as_str();
    scene.draft.request.open().text("secretId", secret).close();
    let caller = scene.workload();
    scene.called_by(caller);
}

fn agent_ping(scene: &mut Scene<'_, '_>) {
    scene.begin("ssm.amazonaws.com", "UpdateInstanceInformation");
    scene.draft.read_only = Some(false);
    let instance = scene.random.pick(&scene.place().instances).as_str();
    scene
        .draft
        .request
        .open()
        .text("instanceId", instance)
        .text("agentVersion", "3.3.1611.0")
        .text("agentStatus", "Active");
    scene
        .draft
        .request
        .text("platformType", "Linux")
        .text("platformName", "Amazon Linux")
        .text("platformVersion", "2023")
        .text("iPAddress", "10.0.12.7");
    scene.draft.request.text("computerName", "ip-10-0-12-7.ec2.internal").text("agentName", "amazon-ssm-agent").close();
    let caller = scene.role("batch-worker-role");
    scene.called_by(caller);
}

fn iam(scene: &mut Scene<'_, '_>) {
    let name = *scene.random.pick(&["GetRole", "ListAttachedRolePolicies", "GetPolicyVersion", "ListRoles"]);
    scene.begin("iam.amazonaws.com", name);
    scene.draft.read_only = Some(true);
    let role = scene.workload();
    scene.draft.request.open().text("roleName", &role.name).close();
    let caller = scene.person();
    scene.called_by(caller);
}

/// A large record, five to seven kilobytes with deep nesting.
fn run_instances(scene: &mut Scene<'_, '_>) {
    scene.begin("ec2.amazonaws.com", "RunInstances");
    scene.draft.read_only = Some(false);
    let key = scene.key_for(super::world::Purpose::Ebs);
    scene.draft.request.open().member("instancesSet").open().member("items").open_list().open();
    scene
        .draft
        .request
        .text("imageId", "ami-0c02fb55956c7d316")
        .raw("minCount", "1")
        .raw("maxCount", "4")
        .close()
        .close_list()
        .close();
    scene
        .draft
        .request
        .member("blockDeviceMapping")
        .open()
        .member("items")
        .open_list()
        .open()
        .text("deviceName", "/dev/xvda");
    scene
        .draft
        .request
        .member("ebs")
        .open()
        .raw("volumeSize", "80")
        .raw("encrypted", "true")
        .text("kmsKeyId", &key.arn)
        .close()
        .close()
        .close_list()
        .close()
        .close();
    scene.draft.response.open().member("instancesSet").open().member("items").open_list();
    for _ in 0..4 {
        let instance = scene.random.pick(&scene.place().instances).as_str();
        let volume = scene.random.pick(&scene.place().volumes).as_str();
        write_instance(scene, instance, volume);
    }
    scene.draft.response.close_list().close().close();
    let caller = scene.role("ci-deployer");
    scene.called_by(caller);
}

fn write_instance(scene: &mut Scene<'_, '_>, instance: &str, volume: &str) {
    let response = &mut scene.draft.response;
    response
        .open()
        .text("instanceId", instance)
        .text("imageId", "ami-0c02fb55956c7d316")
        .text("instanceType", "m7g.xlarge");
    response.member("instanceState").open().raw("code", "0").text("name", "pending").close();
    response
        .text("privateDnsName", "ip-10-0-12-7.ec2.internal")
        .raw("amiLaunchIndex", "0")
        .raw("launchTime", "1741948800000");
    response.member("placement").open().text("availabilityZone", "us-east-1a").text("tenancy", "default").close();
    response
        .member("networkInterfaceSet")
        .open()
        .member("items")
        .open_list()
        .open()
        .text("subnetId", "subnet-0a1b2c3d4e5f60718");
    response
        .member("privateIpAddressesSet")
        .open()
        .member("item")
        .open_list()
        .open()
        .text("privateIpAddress", "10.0.12.7")
        .raw("primary", "true")
        .close()
        .close_list()
        .close();
    response.close().close_list().close();
    response.member("blockDeviceMapping").open().member("items").open_list().open().text("deviceName", "/dev/xvda");
    response
        .member("ebs")
        .open()
        .text("volumeId", volume)
        .text("status", "attaching")
        .raw("deleteOnTermination", "true")
        .close()
        .close()
        .close_list()
        .close()
        .close();
}

fn console_login(scene: &mut Scene<'_, '_>) {
    scene.begin("signin.amazonaws.com", "ConsoleLogin");
    scene.draft.kind = EventKind::ConsoleSignIn;
    scene.draft.read_only = Some(false);
    let caller = scene.person();
    scene.called_by(caller);
    let failed = scene.random.chance(0.2);
    scene.draft.response.set(if failed { r#"{"ConsoleLogin":"Failure"}"# } else { r#"{"ConsoleLogin":"Success"}"# });
    scene.draft.additional.set(r#"{"LoginTo":"https://console.aws.amazon.com/console/home?state=hashArgs%23&isauthcode=true","MobileVersion":"No","MFAUsed":"Yes"}"#);
    if failed {
        scene.draft.identity.set(r#"{"type":"IAMUser","accountId":"111122223333","accessKeyId":"","userName":"HIDDEN_DUE_TO_SECURITY_REASONS"}"#);
        scene.draft.error_message.push_str("Failed authentication");
    }
}

install httpfs;
load httpfs;
create or replace secret keytrail (type s3, provider credential_chain);

#!/usr/bin/env bats
# `redkeep check` asks a real bucket (radosgw) what would become of a backup that is deleted; and
# deletes nothing to find out.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154 # helpers.bash sets and reads

load helpers

setup_file() {
    s3_up
}

teardown_file() {
    s3_down
}

setup() {
    world
    export REDKEEP_HTTP_LISTEN=off
    bucket=check-$BATS_TEST_NUMBER
    in_s3
    s3 PUT ''
    server_start
    fill 10
    backup
    before=$(versions)
}

teardown() {
    end_world
}

# Every version, delete marker and upload in the bucket.
versions() {
    s3 GET '?versions=' | grep -oE '<(Key|VersionId|DeleteMarker|IsLatest|ETag)>[^<]*' || true
    s3 GET '?uploads=' | grep -o '<Upload>.*' || true
}

versioning() {
    s3 PUT '?versioning=' -d '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>'"$1"'</Status></VersioningConfiguration>'
}

# denied ACTION: to everybody
denied() {
    s3 PUT '?policy=' --data-binary '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny",
        "Principal": {"AWS": ["*"]}, "Action": ["'"$1"'"],
        "Resource": ["arn:aws:s3:::'"$bucket"'", "arn:aws:s3:::'"$bucket"'/*"]}]}' >/dev/null
}

# deletable STATUS TEXT [ARGUMENT...]: the row says that, and the bucket is as it was
deletable() {
    local wanted=$1 text=$2
    shift 2
    does 1 check --json "$@"
    # shellcheck disable=SC2016 # jq's own
    json '.checks[] | select(.id == "deletable") | .status == $status and (.value | contains($text))' \
        --arg status "$wanted" --arg text "$text"
    [[ $(versions) == "$before" ]]
}

@test "a bucket that keeps nothing is a finding, whose remedy is to the point" {
    deletable warn 'these credentials may delete, and the bucket keeps nothing'
    deletable warn 'these credentials may delete' # it is as it was: asked again it says the same
    does 1 check
    [[ $output == *'aws s3api put-bucket-versioning'* ]]
}

@test "a bucket that keeps versions is fine, one that has stopped to is not" {
    versioning Enabled
    deletable ok 'the bucket keeps the versions'
    versioning Suspended
    deletable unknown 'versioning is suspended'
}

@test "credentials that may not delete are fine" {
    denied s3:DeleteObject
    deletable ok 'these credentials may not delete; prune is on, and can remove nothing'
    deletable ok 'these credentials may not delete' --prune off
    s3 DELETE '?policy='
    deletable warn 'may delete'
}

@test "what the bucket does not say is unknown" {
    denied s3:GetBucketVersioning
    deletable unknown 'ask for the versioning'
    s3 DELETE '?policy='
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:1 deletable unknown 'unknown: '
    AWS_SECRET_ACCESS_KEY=other deletable unknown 'unknown: '
    deletable unknown 'unknown: ' --repository s3://nowhere-at-all/x
}

@test "locked objects need no question" {
    AWS_ENDPOINT_URL_S3=http://127.0.0.1:1 \
        deletable ok 'for 30 days (s3-object-lock-days)' --s3-object-lock-days 30
}

listens() {
    url=$(jq -Rr 'fromjson? | .msg | capture("^(?<u>http://\\S+) answers").u' "$dir/job.err")
    [[ -n $url ]]
}

# as_job INPUT: the answer of the check job of a sidecar that knows so much
as_job() {
    # shellcheck disable=SC2016 # the inner shell expands it
    output=$(timeout 300 bash -c 'export REDKEEP_JOB_FD=9 REDKEEP_JOB_PARENT=$$
        "$0" check --json 3>&-; exit' "$redkeep" <<<"$1" 9>"$dir/reports")
}

# asked: of the job that the sidecar has started, in its status
asked() {
    curl -sS --max-time 60 "$url/status" | true_of '.checks | any(.id == "deletable" and .status == "warn")'
}

@test "the sidecar asks it too, with a few requests" {
    REDKEEP_HTTP_LISTEN=127.0.0.1:0 REDKEEP_BACKUP_SCHEDULE=off launch run
    until_true listens
    until_true asked
    [[ $(versions) == "$before" ]]
    stop_pid TERM "$job"
}

@test "a job does not try again what its sidecar knows, and tells what it has tried" {
    as_job ''
    json '.may_delete == true and any(.checks[]; .id == "deletable" and .status == "warn")'
    as_job '{"may_delete": false}' # which is not so, hence it is not tried
    json '.may_delete == null and any(.checks[]; .id == "deletable" and .status == "ok"
        and (.value | contains("may not delete")))'
    does 1 check --json <<<'{"may_delete": false}' # by hand it is tried always
    json '.may_delete == null and any(.checks[]; .id == "deletable" and .status == "warn")'
}

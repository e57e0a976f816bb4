#!/bin/sh
# Before the first start: passwords, where there are none yet, and directories that uid 999 may use.
# What is there already is kept: put your own into secrets/ if you like. Prints nothing secret.
set -eu
umask 077

# secret FILE: a random one
secret() {
    [ -s "$1" ] || head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$1"
}

digest() {
    tr -d '\n' <"$1" | sha256sum | cut -d ' ' -f 1
}

mkdir -p /secrets/redis /secrets/redkeep
secret /secrets/redis/password
secret /secrets/redkeep/redis-password

# The server itself gets digests alone. redkeep may do no more than its README says it needs.
cat >/secrets/redis/users.acl <<ACL
user default on #$(digest /secrets/redis/password) ~* &* +@all
user redkeep on #$(digest /secrets/redkeep/redis-password) resetkeys resetchannels -@all +ping +info +bgsave +lastsave +config|get +time +role +client|setname +bgrewriteaof
ACL

# The S3 server of the profile: keys for both sides, and the bucket, which is a directory.
if [ "$AWS_ENDPOINT_URL_S3" = http://s3:7070 ]; then
    mkdir -p /secrets/s3 /backups/s3/redkeep
    secret /secrets/s3/access-key
    secret /secrets/s3/secret-key
    access_key=$(cat /secrets/s3/access-key)
    secret_key=$(cat /secrets/s3/secret-key)
    cat >/secrets/s3/s3-server <<KEYS
export ROOT_ACCESS_KEY=$access_key ROOT_SECRET_KEY=$secret_key
KEYS
    cat >/secrets/redkeep/aws-credentials <<KEYS
[default]
aws_access_key_id = $access_key
aws_secret_access_key = $secret_key
KEYS
fi

# Certificates, where tls.yaml has brought some.
if [ -d /tls ]; then
    cp /tls/ca.crt /tls/server.crt /tls/server.key /secrets/redis/
    cp /tls/ca.crt /tls/client.crt /tls/client.key /secrets/redkeep/
fi

chown -R 999:999 /secrets
chown 999:999 /backups
chmod 700 /backups # whoever can read a backup has the data
[ ! -d /backups/s3 ] || chown 999:999 /backups/s3 /backups/s3/redkeep

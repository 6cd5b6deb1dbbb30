#!/bin/sh
# Makes the secrets that compose.yaml mounts, each a file of a private folder; what is there stays:
#   sh deploy/secrets.sh lab.example
# The folder is ./secrets, or the second argument. A certificate of your own goes over
# secrets/tls_certificate and secrets/tls_key; the one that is made here nobody else trusts.
set -eu
host="${1:?name the host under which people come, such as lab.example}"
folder="${2:-secrets}"
# Without it what is made below would be empty, and stay so.
openssl version >/dev/null
mkdir -p "$folder"
chmod 700 "$folder"

# Whoever may enter the folder may read: in containers these files belong to users of theirs.
umask 022
keep() {
  [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
}
random() {
  openssl rand -hex "$1"
}

keep postgres_password "$(random 24)"
keep database_url "postgresql://hematovision:$(cat "$folder/postgres_password")@postgres/hematovision"
keep admin_password "$(random 12)"
keep metrics_token "$(random 32)"
keep s3_key "$(random 10)"
keep s3_secret "$(random 20)"
keep s3_credentials "[default]
aws_access_key_id = $(cat "$folder/s3_key")
aws_secret_access_key = $(cat "$folder/s3_secret")"
keep s3_identities "{\"identities\": [{\"name\": \"hematovision\", \"actions\": [\"Admin\", \"Read\", \"Write\", \"List\"], \"credentials\": [{\"accessKey\": \"$(cat "$folder/s3_key")\", \"secretKey\": \"$(cat "$folder/s3_secret")\"}]}]}"
if [ ! -s "$folder/tls_key" ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 \
    -subj "/CN=$host" -addext "subjectAltName=DNS:$host" \
    -keyout "$folder/tls_key" -out "$folder/tls_certificate" 2>/dev/null
  chmod 644 "$folder/tls_key"
fi
echo "The secrets are in $folder. The first administrator is “administrator”; the password:"
echo "  cat $folder/admin_password"

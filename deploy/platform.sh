#!/bin/sh
# What platforms (Heroku, Render, Railway) say under names of their own, said to HematoVision under
# its own; then becomes the program that is named: sh deploy/platform.sh hematovision worker
#
#   PORT           -> HEMATOVISION_PORT, and every address is listened at
#   DATABASE_URL   -> HEMATOVISION_DATABASE_URL
#   REDIS_URL      -> HEMATOVISION_QUEUE_URL
#   HEMATOVISION_DATA_KEY, HEMATOVISION_AUDIT_KEY and HEMATOVISION_SECRET_KEY
#                  -> files of HEMATOVISION_KEYS_FOLDER, where no folder outlives the machine;
#                     each 32 random bytes, in 64 hexadecimal digits or, as Render makes them, base64
#   HEMATOVISION_ADMIN_PASSWORD
#                  -> HEMATOVISION_ADMIN_PASSWORD_FILE
#
# What is set under HematoVision's own name counts more.
set -eu
umask 077
# ONNX Runtime tells its maker nothing.
export ORT_DISABLE_TELEMETRY=1

if [ -n "${PORT:-}" ]; then
  export HEMATOVISION_HOST="0.0.0.0" HEMATOVISION_PORT="$PORT"
fi
if [ -n "${DATABASE_URL:-}" ]; then
  export HEMATOVISION_DATABASE_URL="${HEMATOVISION_DATABASE_URL:-$DATABASE_URL}"
fi
if [ -n "${REDIS_URL:-}" ]; then
  queue="$REDIS_URL"
  # Heroku's Redis shows a certificate that nobody else vouches for.
  case "${DYNO:+heroku}$queue" in
    herokurediss://*\?*) ;;
    herokurediss://*) queue="$queue?ssl_cert_reqs=none" ;;
  esac
  export HEMATOVISION_QUEUE_URL="${HEMATOVISION_QUEUE_URL:-$queue}"
fi

keep() {
  key="$2"
  case "$key" in
    *[!0-9a-fA-F]*) key=$(printf %s "$key" | base64 -d | od -An -v -tx1 | tr -d ' \n') ;;
  esac
  [ "${#key}" -eq 64 ] || { echo "HEMATOVISION_$3 holds no 32 bytes" >&2; exit 1; }
  printf %s "$key" >"$HEMATOVISION_KEYS_FOLDER/$1"
}
if [ -n "${HEMATOVISION_ADMIN_PASSWORD:-}" ]; then
  export HEMATOVISION_ADMIN_PASSWORD_FILE="${HEMATOVISION_ADMIN_PASSWORD_FILE:-/tmp/hematovision-admin}"
  printf '%s\n' "$HEMATOVISION_ADMIN_PASSWORD" >"$HEMATOVISION_ADMIN_PASSWORD_FILE"
  unset HEMATOVISION_ADMIN_PASSWORD
fi
if [ -n "${HEMATOVISION_DATA_KEY:-}" ]; then
  : "${HEMATOVISION_AUDIT_KEY:?is missing: all three keys or none}"
  : "${HEMATOVISION_SECRET_KEY:?is missing: all three keys or none}"
  export HEMATOVISION_KEYS_FOLDER="${HEMATOVISION_KEYS_FOLDER:-/tmp/hematovision-keys}"
  mkdir -p "$HEMATOVISION_KEYS_FOLDER"
  keep data_key "$HEMATOVISION_DATA_KEY" DATA_KEY
  keep audit_key "$HEMATOVISION_AUDIT_KEY" AUDIT_KEY
  keep secret_key "$HEMATOVISION_SECRET_KEY" SECRET_KEY
  unset HEMATOVISION_DATA_KEY HEMATOVISION_AUDIT_KEY HEMATOVISION_SECRET_KEY
fi

exec "$@"

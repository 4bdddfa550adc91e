#!/usr/bin/env bash
# What Plimsoll takes: size of the program, memory, processor time, time and requests until it guards.
#
#   benches/footprint.sh [SECONDS]    build `dist` and measure that program; guarding is watched for
#                                     SECONDS (20)
#   benches/footprint.sh --cold       time of a first release build into an empty directory
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --cold ]; then
    cargo fetch --locked
    CARGO_TARGET_DIR=$(mktemp -d)
    export CARGO_TARGET_DIR
    trap 'rm -rf "$CARGO_TARGET_DIR"' EXIT
    echo "cold release build on $(nproc) cores, load $(cut -d' ' -f1 /proc/loadavg):"
    time cargo build --release --locked --quiet
    exit
fi
cargo build --profile dist --locked
folder=${CARGO_TARGET_DIR:-target}
case "$folder" in /*) ;; *) folder=$PWD/$folder ;; esac
program=$folder/dist/plimsoll
echo "size $(stat -c %s "$program") bytes"
cargo bench --bench footprint -- "${1:-20}" "$program"

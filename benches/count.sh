#!/usr/bin/env bash
# Instructions and allocations per operation of every case of the bench `tick`, by callgrind: the
# difference of a run with N and a run with 3N operations, so that start-up and preparation cancel out.
#
#   benches/count.sh                measure and write benches/counts.txt
#   benches/count.sh --check        measure and compare: more than 5 % instructions or any allocation
#                                   above the file fails, 5 % below asks for a new file
#   benches/count.sh --top CASE     the functions in which the instructions of one case are spent
#
# Needs valgrind. The build profile is `bench`, which is `release`. TICK names a program built before.
set -euo pipefail
cd "$(dirname "$0")/.."
file=benches/counts.txt
limit_pct=5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    cargo bench --bench tick --no-run --message-format=json 2>"$work/build.log" |
        python3 -c '
import json, sys
for line in sys.stdin:
    part = json.loads(line)
    if part.get("target", {}).get("name") == "tick" and part.get("executable"):
        print(part["executable"])' || { cat "$work/build.log" >&2; exit 1; }
}

# Runs `count` of `most` prepared operations of a case; prints instructions and allocations.
run() {
    local case=$1 count=$2 most=$3 out="$work/$1.$2"
    valgrind --quiet --tool=callgrind ${profile:-} --callgrind-out-file="$out" \
        "$tick" count "$case" "$count" "$most" >/dev/null 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    awk '
        /^c?fn=/ {
            id = $0; sub(/^c?fn=/, "", id); name = id
            sub(/\).*/, ")", id); sub(/^\([0-9]+\) ?/, "", name)
            if (name != "") names[id] = name
            if ($0 ~ /^cfn=/) called = id
        }
        /^calls=/ { split($0, part, /[= ]/); calls[called] += part[2] }
        /^(summary|totals):/ { instructions = $2 }
        END {
            for (id in calls) if (names[id] ~ /^(malloc|calloc|realloc|aligned_alloc|posix_memalign)$/) made += calls[id]
            printf "%.0f %.0f\n", instructions, made
        }' "$out"
}

# One line per function from what callgrind_annotate tells by source file; the dearest first. Costs of
# a function itself are added over files, costs with what it calls are not.
per_operation() {
    sed -nE 's/^ *([0-9,]+) \([ 0-9.]+%\)  [^ :]*:(.*)$/\1 \2/p' | sed -E 's/ \[[^]]*\]$//' |
        awk -v n="$size" -v add="$2" '{
                count = $1; gsub(",", "", count); $1 = ""
                if (add) sum[$0] += count; else if (count + 0 > sum[$0] + 0) sum[$0] = count
            }
            END { for (name in sum) printf "%10.0f%s\n", sum[name] / n, name }' |
        sort -rn | head -"$1" | cut -c1-150 || true
}

measure() {
    "$tick" list | while read -r case size; do
        read -r few_i few_a < <(run "$case" "$size" $((3 * size)))
        read -r many_i many_a < <(run "$case" $((3 * size)) $((3 * size)))
        awk -v case="$case" -v n=$((2 * size)) -v i=$((many_i - few_i)) -v a=$((many_a - few_a)) \
            'BEGIN { printf "%-16s %10.0f %10.2f\n", case, i / n, a / n }'
    done
}

tick=${TICK:-$(build)}
case "${1:-}" in
"")
    {
        echo "# Per operation: instructions and allocations. Written by benches/count.sh; meant by docs/performance.md."
        echo "# $(rustc --version | cut -d' ' -f1,2), profile bench, $(uname -m), $(valgrind --version)"
        measure
    } | tee "$work/counts"
    cp "$work/counts" "$file"
    ;;
--check)
    measure >"$work/counts"
    awk -v limit="$limit_pct" '
        /^#/ { next }
        FNR == NR { old_i[$1] = $2; old_a[$1] = $3; next }
        {
            seen[$1] = 1
            if (!($1 in old_i)) { printf "%-16s is new: run benches/count.sh\n", $1; bad = 1; next }
            change = 100 * ($2 - old_i[$1]) / old_i[$1]
            word = "ok"
            if (change > limit || $3 > old_a[$1] + 0.05) { word = "WORSE"; bad = 1 }
            else if (change < -limit) word = "better: run benches/count.sh"
            printf "%-16s %10d -> %10d (%+.1f %%), allocations %.2f -> %.2f  %s\n", $1, old_i[$1], $2, change, old_a[$1], $3, word
        }
        END {
            for (name in old_i) if (!(name in seen)) { printf "%-16s is gone: run benches/count.sh\n", name; bad = 1 }
            exit bad
        }' "$file" "$work/counts"
    ;;
--top)
    size=$("$tick" list | awk -v case="${2:?which case?}" '$1 == case { print $2 }')
    profile=--toggle-collect=tick::operations
    run "$2" "${size:?no such case}" "$size" >/dev/null
    echo "instructions per operation, the function itself:"
    callgrind_annotate --auto=no --threshold=100 "$work/$2.$size" | per_operation 30 1
    echo "with everything it calls:"
    callgrind_annotate --auto=no --threshold=100 --inclusive=yes "$work/$2.$size" | per_operation 60 0
    ;;
*)
    echo "usage: benches/count.sh [--check | --top CASE]" >&2
    exit 2
    ;;
esac

#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other, FUZZTIME each (30s), and prints its name
# and how many inputs a second it tried. The first finding ends it; the input that made it lies in the
# package's testdata/fuzz, from where every later `go test` runs it.
set -euo pipefail
cd "$(dirname "$0")"
time=${FUZZTIME:-30s}
go=${GO:-go}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

"$go" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | while read -r package; do
	{ "$go" test -list '^Fuzz' "$package" | grep '^Fuzz' || true; } | while read -r target; do
		if ! "$go" test "$package" -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10s >"$log" 2>&1 </dev/null &&
			! { grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; }; then # the time was up in the middle of an input
			echo "$package $target: found" >&2
			tail -40 "$log" >&2
			exit 1
		fi
		awk -v name="$package $target" '
			match($0, /elapsed: [0-9hms]+/) { split($0, part, "elapsed: "); seconds = part[2] + 0; if (part[2] ~ /^[0-9]+m/) { split(part[2], m, "m"); seconds = 60 * m[1] + m[2] } }
			match($0, /execs: [0-9]+/) { execs = substr($0, RSTART + 7, RLENGTH - 7) }
			END { printf "%-60s %10d execs %10.0f/s\n", name, execs, seconds ? execs / seconds : execs }' "$log"
	done
done

#!/bin/sh
# Looks for known vulnerabilities in what the program calls (make vuln). Without a network,
# QIMPORT_VULNDB=FOLDER is a copy of Go's database, vulndb.zip unpacked; one older than a month is used,
# and said to be old.
set -eu
if [ -n "${QIMPORT_VULNDB-}" ]; then
	index=$QIMPORT_VULNDB/index/db.json
	modified=$(sed -n 's/.*"modified": *"\([^"]*\)".*/\1/p' "$index" 2>/dev/null || true)
	[ -n "$modified" ] || { echo "vuln: QIMPORT_VULNDB is $QIMPORT_VULNDB, which has no index/db.json with a date: unpack vulndb.zip there" >&2; exit 1; }
	days=$((($(date +%s) - $(date -d "$modified" +%s)) / 86400))
	echo "vuln: the copy of the database is of $modified" >&2
	[ "$days" -le 30 ] || echo "vuln: OLD: it is $days days old; what became known since is not found" >&2
	set -- -db "file://$(cd "$QIMPORT_VULNDB" && pwd)" "$@"
fi
exec ${GOVULNCHECK:-go run golang.org/x/vuln/cmd/govulncheck@v1.9.0} "$@" ./...

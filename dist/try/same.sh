# try.sh same [PLATFORM...]: two clones in folders of different names, or one beside what BUILT=FOLDER has of the same
# commit. The last is built with another umask and time zone. They share Go's cache of what has no path in it, Go's
# own packages; with FRESH=yes each has its own.

platforms=$*
clone() {
	git clone -q "$repository" "$scratch/$1/qimport"
	say "$1: $(git -C "$scratch/$1/qimport" log -1 --format=%h)"
	mkdir "$scratch/$1/tmp"
	[ "${FRESH-}" != yes ] || export GOCACHE="$scratch/$1/cache"
	TMPDIR=$scratch/$1/tmp OUT=$scratch/$1/out "$scratch/$1/qimport/dist/dist.sh" $platforms 2>"$scratch/$1/log" >&2 ||
		{ tail -n 20 "$scratch/$1/log" >&2; die "the $1 clone does not build"; }
}

BUILT=${BUILT-}
if [ -z "$BUILT" ]; then
	clone first
	BUILT=$scratch/first/out
fi
umask 077
export TZ=UTC-9
clone another
differ=
while read -r digest file; do
	if grep -q "^$digest  $file\$" "$BUILT/SHA256SUMS"; then
		echo "$digest  $file"
	else
		differ="$differ $file"
	fi
done <"$scratch/another/out/SHA256SUMS"
if [ -n "$differ" ]; then
	[ -z "${KEEP-}" ] || cp -R "$scratch/another/out" "$KEEP"
	die "two builds of one commit differ (KEEP=FOLDER keeps the last):$differ"
fi
say "two builds of $(git -C "$repository" rev-parse --short HEAD) gave the same bytes: $(wc -l <"$scratch/another/out/SHA256SUMS") files"

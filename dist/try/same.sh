# try.sh same [PLATFORM...]: two clones in folders of different names, each with its own caches of Go.

for clone in first second-clone; do
	git clone -q "$repository" "$scratch/$clone/qimport"
	say "$clone: $(git -C "$scratch/$clone/qimport" log -1 --format=%h)"
	mkdir "$scratch/$clone/tmp"
	GOCACHE=$scratch/$clone/cache TMPDIR=$scratch/$clone/tmp OUT=$scratch/$clone/out "$scratch/$clone/qimport/dist/dist.sh" "$@" 2>"$scratch/$clone/log" >&2 ||
		{ tail -n 20 "$scratch/$clone/log" >&2; die "the $clone clone does not build"; }
done
if ! diff "$scratch/first/out/SHA256SUMS" "$scratch/second-clone/out/SHA256SUMS" || ! cmp "$scratch/first/out/qimport.rb" "$scratch/second-clone/out/qimport.rb"; then
	[ -z "${KEEP-}" ] || cp -R "$scratch"/*/out "$KEEP"
	die "two builds of one commit differ (see above; KEEP=FOLDER keeps both)"
fi
cat "$scratch/first/out/SHA256SUMS"
say "two builds of $(git -C "$repository" rev-parse --short HEAD) gave the same bytes: $(wc -l <"$scratch/first/out/SHA256SUMS") files"

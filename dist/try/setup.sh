# try.sh setup: a clone, an empty home and no caches; the network is as fast as it is.

git clone -q "$repository" "$scratch/clone"
mkdir "$scratch/home"
cd "$scratch/clone"
# What a user would have set stays; what would be found from before does not.
fresh() { env -u GOCACHE -u GOMODCACHE -u GOFLAGS -u PKG_CONFIG_PATH -u CGO_CFLAGS -u GOPATH HOME="$scratch/home" XDG_CACHE_HOME= PIP_NO_CACHE_DIR=1 "$@"; }
trap 'chmod -R u+w "$scratch"; rm -rf --one-file-system "$scratch"' EXIT

# timed WHAT COMMAND... is a line of the table.
timed() {
	label=$1
	shift
	began=$(date +%s.%N)
	fresh "$@" >"$scratch/log" 2>&1 || { tail -n 20 "$scratch/log" >&2; die "$label failed"; }
	date +%s.%N | awk -v a="$began" -v w="$label" '{printf "%6.1f s  %s\n", $1 - a, w}'
}
start=$(date +%s.%N)
echo "$(nproc) CPUs, nothing in caches; make demo from a fresh clone is:"
timed "make setup: MLX's wheels are fetched, mlx-c is compiled" make setup
timed "Go modules are fetched" ${GO:-go} mod download
timed "make build: Go and C are compiled" make build
timed "make demo: two models are imported, verified and asked" make demo
date +%s.%N | awk -v a="$start" '{printf "%6.1f s  all\n", $1 - a}'
times >"$scratch/times" # of this shell, then of all that it ran
sed -n '2s/^\([^ ]*\) \([^ ]*\)$/  CPU time of all: \1 in programs, \2 in the system/p' "$scratch/times"

#!/bin/sh
# Tests the runtime on this machine's GPU and measures it there, beside mlx-lm where Python has
# that. Run from the top of the repository, after `make setup` (NVIDIA: QIMPORT_MLX=cuda make setup).
#
#   bench/gpu.sh build            everything it runs, into bin/
#   bench/gpu.sh test             what a GPU computes against plain Go, float64 and mlx-lm's references
#   bench/gpu.sh measure [DIR]    rates on a checkpoint of the 0.8B shape, made in DIR
#
# bin/, lib/ and the checkout are all that `test` and `measure` need: they may be copied to a
# machine without Go. QIMPORT_FIXTURES names a folder with more checkpoints to test.
set -eu

build() {
	export PKG_CONFIG_PATH="$PWD/lib/pkgconfig:${PKG_CONFIG_PATH-}"
	mkdir -p bin
	for package in mlx layer; do
		go test -c -ldflags '-s -w' -o "bin/$package.test" "./runtime/$package"
	done
	go test -c -ldflags '-s -w' -o bin/runtime.test ./runtime
	go test -c -ldflags '-s -w' -o bin/qimport.test ./cmd/qimport
	go build -trimpath -ldflags '-s -w' -o bin/qimport ./cmd/qimport
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/bench ./bench
}

# in_folder FOLDER TEST ARGUMENT... runs a test binary where `go test` would.
in_folder() (
	folder=$1 test=$PWD/bin/$2
	shift 2
	cd "$folder"
	"$test" "$@"
)

# run_tests leaves out what is only so on a CPU.
run_tests() {
	export QIMPORT_TEST_DEVICE=gpu
	failed=0
	in_folder runtime/mlx mlx.test -test.skip 'Stub|BLAS|ErrorsComeBackFromDo|^TestCall$' || failed=1
	in_folder runtime/layer layer.test -test.short -test.skip '^TestMixStep$' || failed=1
	in_folder runtime runtime.test -test.run 'GPU|Greedy|Products' -test.v || failed=1
	in_folder cmd/qimport qimport.test -test.run 'GPU' -test.v || failed=1
	return $failed
}

# rates TYPE prints "prefill_100 N" and so on for the checkpoint, weights as stored, each from the last of three runs:
# what is compiled at the first use is not in it. decode is BenchmarkGreedy.
rates() {
	QIMPORT_BENCH_COMPUTE=quantized QIMPORT_BENCH_MODEL=$dir/$1 in_folder runtime runtime.test -test.run '^$' -test.bench 'Prefill|Greedy' -test.count 3 |
		awk '/tokens\/s/ {
			sub(/^Benchmark/, "", $1); sub(/-[0-9]+$/, "", $1); sub("/", "_", $1); sub("Greedy", "decode", $1)
			for (i = 2; i <= NF; i++) if ($i == "tokens/s") rate[tolower($1)] = $(i - 1)
		} END { for (name in rate) print name, rate[name] }' | sort
}

# peer TYPE prints the same for mlx-lm; nothing where Python lacks it.
peer() {
	python3 bench/mlx_lm_rates.py "$dir/$1" 2>"$dir/peer.log" | tr -d '{},":' | tr ' ' '\n' |
		awk '/^(prefill|decode)/ { name = $1; next } name { print name, $1; name = "" }'
}

measure() {
	dir=${1:-${TMPDIR:-/tmp}/qimport-gpu}
	mkdir -p "$dir"
	[ -f "$dir/0.8b/tokenizer.json" ] || bin/bench synth 0.8b "$dir/0.8b"
	for type in bf16 nvfp4 mxfp8 int4; do
		if ! [ -d "$dir/$type" ]; then
			bin/qimport import "$dir/0.8b" --store "$dir/store" --name "bench:$type" -q "$type" --verify none --quiet
			bin/qimport export "bench:$type" "$dir/$type" --store "$dir/store" --quiet
		fi
		rates "$type" >"$dir/ours"
		peer "$type" >"$dir/theirs" || echo "$type: mlx-lm did not run: $(tail -n 1 "$dir/peer.log")"
		awk -v type="$type" 'NR == FNR { theirs[$1] = $2; next }
			{ line = sprintf("%-6s %-13s %9.1f tokens/s", type, $1, $2)
			  if ($1 in theirs) line = line sprintf("   mlx-lm %9.1f   %.2f times", theirs[$1], $2 / theirs[$1])
			  print line }' "$dir/theirs" "$dir/ours"
	done
}

case ${1-} in
build) build ;;
test) run_tests ;;
measure) measure "${2-}" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

#!/bin/sh
# The main job on the two models that the repository ships: plan, import with overrides, verify,
# ask. Every line that begins with "$" is a command you can type. The store is ./demo-store.
set -eu
cd "$(dirname "$0")"
PATH=$PWD/bin:$PATH
OLLAMA_MODELS=$PWD/demo-store
export PATH OLLAMA_MODELS

# say prints a command as a user would type it.
say() {
	printf '\n$'
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=,-]*) printf " '%s'" "$word" ;;
		*) printf ' %s' "$word" ;;
		esac
	done
	printf '\n'
}

# show prints a command, and runs it.
show() {
	say "$@"
	"$@"
}

# ask demands that a model's answer matches a pattern.
ask() {
	say qimport run "$1" "$2"
	qimport run "$1" "$2" >demo-store/answer
	cat demo-store/answer
	grep -Eq "$3" demo-store/answer || { echo "demo: the answer should match $3" >&2; exit 1; }
}

rm -rf demo-store
mkdir demo-store

# A dense model in bf16, given 4 bits with two exceptions.
set -- -q nvfp4 --override '**.down_proj=mxfp8' --override 'layers.3.self_attn.*_proj=bf16'
show qimport plan testdata/qwen3.5-bf16 "$@"
show qimport import testdata/qwen3.5-bf16 --name dense "$@"
show qimport verify dense --prompt 'What is 2+2?' --expect '\b4\b'
ask dense 'What is 2+2?' '\b4\b'
ask dense 'What is the capital of Japan?' 'Tokyo'

# A mixture of experts that is quantized already: kept bit for bit, its 8-bit routers too.
show qimport import testdata/qwen3.5-moe-4bit --name moe
show qimport verify moe --prompt 'What is 2+2?' --expect '\b4\b'
ask moe 'What is 2+2?' '\b4\b'

show qimport list

#!/bin/sh
# llama.cpp for `make bench`, from the source package of llama-cpp-python, which carries it.
#
#   bench/llama.sh build FOLDER                 llama-bench and llama-quantize, for this processor
#   bench/llama.sh convert FOLDER CHECKPOINT    the checkpoint as q8_0 and q4_0, by its own programs
#
# Building takes twenty minutes on two cores, and wants cmake and a C++ compiler. Converting wants
# Python with torch and transformers: BENCH_PYTHON names one, else they are installed in FOLDER.
set -eu
version=0.3.36
transformers=5.24.0

source_of() { echo "$1/llama_cpp_python-$version/vendor/llama.cpp"; }

build() {
	folder=$1
	[ -x "$folder/llama-bench" ] && [ -x "$folder/llama-quantize" ] && return
	mkdir -p "$folder"
	if ! [ -d "$(source_of "$folder")" ]; then
		python3 -m pip download -q --no-deps --no-binary llama-cpp-python "llama-cpp-python==$version" -d "$folder"
		tar xzf "$folder/llama_cpp_python-$version.tar.gz" -C "$folder"
	fi
	cmake -S "$(source_of "$folder")" -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
		-DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF
	cmake --build "$folder/build" -j "$(nproc)" --target llama-bench llama-quantize
	cp "$folder/build/bin/llama-bench" "$folder/build/bin/llama-quantize" "$folder"
}

# python prints a Python that can convert.
python() {
	if [ -n "${BENCH_PYTHON-}" ]; then
		echo "$BENCH_PYTHON"
		return
	fi
	if ! [ -d "$1/venv" ]; then
		python3 -m venv "$1/venv.part" >&2
		"$1/venv.part/bin/pip" install -q -r "$(source_of "$1")/requirements/requirements-convert_hf_to_gguf.txt" >&2
		# the tokenizers of Qwen3.5 came to transformers later than the version that those requirements name
		"$1/venv.part/bin/pip" install -q "transformers==$transformers" >&2
		mv "$1/venv.part" "$1/venv"
	fi
	echo "$1/venv/bin/python3"
}

# convert keeps in q4_0 what llama-quantize keeps better by default: the head, in q6_K.
convert() {
	folder=$1 checkpoint=$2
	name=$folder/$(basename "$checkpoint")
	converter=$(python "$folder")
	"$converter" "$(dirname "$0")/llama_convert.py" "$(source_of "$folder")" --no-mtp --outtype q8_0 --outfile "$name.part" "$checkpoint"
	mv "$name.part" "$name-q8_0.gguf"
	"$folder/llama-quantize" --allow-requantize "$name-q8_0.gguf" "$name.part" Q4_0
	mv "$name.part" "$name-q4_0.gguf"
}

case ${1-} in
build) build "$2" ;;
convert) convert "$2" "$3" ;;
*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

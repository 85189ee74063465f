# try.sh static FILE.tar.gz: imports by the program without MLX for linux-arm64, emulated, beside those of this machine.

tar -xzf "$1" -C "$scratch"
(cd "$repository" && CGO_ENABLED=0 ${GO:-go} build -o "$scratch/qimport" ./cmd/qimport)
arm64() { $QEMU "$scratch"/qimport-*/bin/qimport "$@"; }

arm64 version | sed 1q
for model in 'qwen3.5-bf16 -q nvfp4' qwen3.5-moe-4bit; do
	set -- $model
	name=$(echo "$1" | tr -d .)
	(cd "$repository" && OLLAMA_MODELS="$scratch/arm64" arm64 import testdata/$@ --name "$name" --verify blobs)
	(cd "$repository" && OLLAMA_MODELS="$scratch/here" "$scratch/qimport" import testdata/$@ --name "$name" --verify blobs) >/dev/null
done
OLLAMA_MODELS="$scratch/arm64" arm64 check
diff -r "$scratch/here/blobs" "$scratch/arm64/blobs" && diff -r "$scratch/here/manifests" "$scratch/arm64/manifests" || die "the two stores differ (see above)"
say "$(find "$scratch/arm64/blobs" "$scratch/arm64/manifests" -type f | wc -l) files of two imports under $(echo $QEMU | cut -d' ' -f1) are those of this machine"

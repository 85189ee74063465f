# try.sh wine FILE.zip ROOT: ROOT has wine64, or is - for this machine's. Wine before 10 lacks bcryptprimitives.dll,
# without which no program of Go starts; Debian 13's has it.

if [ "$2" = - ]; then
	root=
	inside() { "$@"; }
	described() { echo "this machine"; }
	place=$scratch/try
else
	root_of "$2" wine64,wine
	place=$root/qimport-try
fi
rm -rf "$place"
mkdir -p "$place"
trap 'rm -rf "$place"; rm -rf --one-file-system "$scratch"' EXIT
python3 -m zipfile -e "$1" "$scratch/zip"
cp "$scratch"/zip/*/bin/qimport.exe "$place/"
cp -R "$repository/testdata" "$place/"
(cd "$repository" && CGO_ENABLED=0 ${GO:-go} build -o "$scratch/qimport" ./cmd/qimport)
at=${place#"$root"}
cat >"$place/qimport" <<S
#!/bin/sh
export WINEPREFIX=$at/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=;mshtml=' XDG_RUNTIME_DIR=$at OLLAMA_MODELS='Z:$(echo "$at" | tr / '\\')\\store'
cd $at
for wine in /usr/lib/wine/wine64 wine64 wine; do
	! command -v \$wine >/dev/null || break
done
case \$1 in
emulator) \$wine --version ;;
stop) \$(command -v /usr/lib/wine/wineserver64 || command -v wineserver) -k ;;
*) \$wine qimport.exe "\$@" ;;
esac
S
chmod +x "$place/qimport"
windows() { inside "$at/qimport" "$@"; }

# digests lists a store's blobs, as they hash, and its manifests.
digests() { (cd "$1" && find blobs manifests -type f | LC_ALL=C sort | xargs sha256sum); }

windows version | sed 1q
for model in 'qwen3.5-bf16 -q nvfp4' qwen3.5-moe-4bit; do
	set -- $model
	name=$(echo "$1" | tr -d .)
	windows import testdata/$@ --name "$name" --verify blobs
	(cd "$repository" && OLLAMA_MODELS="$scratch/store" "$scratch/qimport" import testdata/$@ --name "$name" --verify blobs) >/dev/null
done
digests "$place/store" >"$scratch/windows"
digests "$scratch/store" >"$scratch/linux"
diff "$scratch/linux" "$scratch/windows" || die "the two stores differ (see above)"
windows import testdata/qwen3.5-moe-4bit --name qwen35-moe-4bit --verify blobs
windows check
windows export qwen35-moe-4bit out
(cd "$repository" && OLLAMA_MODELS="$scratch/store" "$scratch/qimport" export qwen35-moe-4bit "$scratch/out") >/dev/null
diff -r "$scratch/out" "$place/out" || die "the two exports differ (see above)"
windows rm qwen35-moe-4bit
windows rm qwen35-bf16
windows gc
windows stop
left=$(find "$place/store/blobs" "$place/store/manifests" "$place/store/qimport-staging" -type f ! -name '.*' | wc -l)
[ "$left" = 0 ] || die "$left files stay in the store when all models are removed"
say "$(wc -l <"$scratch/linux") files of two imports under $(windows emulator) in $(described) are those of this machine, and removing leaves none"

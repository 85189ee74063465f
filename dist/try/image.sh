# try.sh image FILE.deb ROOT: with -, on the image that dist/Containerfile names, which wants a network. Else on one
# made of ROOT.

own() { buildah --root "$scratch/images" --runroot "$scratch/run" --storage-driver vfs "$@"; }
base=
if [ "$2" != - ]; then
	root_of "$2"
	empty=$(own from scratch)
	own add -q "$empty" "$root" / >/dev/null
	own commit -q "$empty" localhost/base >/dev/null
	own rm "$empty" >/dev/null
	base='--build-arg BASE=localhost/base'
fi
mkdir "$scratch/context"
cp "$1" "$scratch/context/"
own bud -q --isolation chroot $base --build-arg "DEB=$(basename "$1")" -f "$repository/dist/Containerfile" -t localhost/qimport "$scratch/context" >/dev/null
made=$(own from --pull-never localhost/qimport)
own config --cmd '' "$made"
own inspect --format '{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Env}}' "$made"
own run --isolation chroot "$made" -- /usr/bin/qimport version
own copy -q "$made" "$repository/testdata/qwen3.5-moe-4bit" /in >/dev/null
own run --isolation chroot "$made" -- /usr/bin/qimport import /in --name moe
say "the image of $(basename "$1") was built and has imported and run a model"

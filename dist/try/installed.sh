# Runs what a package installed into the root: the demo where it has MLX, else an import.

rm -rf "$root/qimport-try"
mkdir "$root/qimport-try"
cp -R "$repository/demo.sh" "$repository/testdata" "$root/qimport-try/"
inside qimport version
case $name in
*-static) inside qimport --store /qimport-try/store import /qimport-try/testdata/qwen3.5-moe-4bit --name moe --verify blobs ;;
*) inside /bin/sh /qimport-try/demo.sh ;;
esac
[ -s "$root/usr/share/man/man1/qimport.1" ] || [ -s "$root/usr/share/man/man1/qimport.1.gz" ] || die "there is no man page"

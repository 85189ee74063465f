# try.sh deb FILE.deb ROOT

root_of "$2"
cp "$1" "$root/tmp/qimport.deb"
name=$(dpkg-deb -f "$1" Package)
inside dpkg -i /tmp/qimport.deb
. "$try/installed.sh"
inside dpkg -r "$name"
[ ! -e "$root/usr/bin/qimport" ] || die "removing the package left /usr/bin/qimport"
rm -rf "$root/tmp/qimport.deb" "$root/qimport-try"
say "$(basename "$1"): installed, run and removed in $(described)"

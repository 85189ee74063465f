# try.sh rpm FILE.rpm ROOT: a root of Debian has no database of what rpm needs, so dependencies are told and not held.

root_of "$2"
say "$(basename "$1") needs: $(rpm -qp --requires "$1" 2>/dev/null | grep -v '^rpmlib' | tr '\n' ' ')"
file=$(realpath "$1")
name=$(rpm -qp --qf '%{NAME}' "$file" 2>/dev/null)
# The database is one of this run alone.
own() { rpm --root "$root" --dbpath /var/lib/qimport-try-rpm "$@"; }
debian=
[ ! -e /etc/debian_version ] || debian=--force-debian
own --initdb
own $debian --nodeps -i "$file"
own -V --nodeps "$name"
. "$try/installed.sh"
own $debian -e "$name"
[ ! -e "$root/usr/bin/qimport" ] || die "removing the package left /usr/bin/qimport"
rm -rf "$root/var/lib/qimport-try-rpm" "$root/qimport-try"
say "$(basename "$1"): installed, run and removed in $(described); its dependencies were not held"

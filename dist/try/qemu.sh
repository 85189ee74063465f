# try.sh qemu FILE.tar.gz: no root is needed, the emulator takes the system's libraries from the folder that -L names.

tar -xzf "$1" -C "$scratch" --strip-components=1
cp -R "$repository/demo.sh" "$repository/testdata" "$scratch/"
mv "$scratch/bin" "$scratch/program"
mkdir "$scratch/bin"
printf '#!/bin/sh\nexec %s %s/program/qimport "$@"\n' "$QEMU" "$scratch" >"$scratch/bin/qimport"
chmod +x "$scratch/bin/qimport"
"$scratch/bin/qimport" version
"$scratch/demo.sh"
say "$(basename "$1"): the demo runs under $QEMU"

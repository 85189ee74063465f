# try.sh sbom FOLDER: PYTHON (python3) has cyclonedx-python-lib[validation], of PyPI.

cat >"$scratch/valid.py" <<'PY'
import json, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

text = sys.stdin.read()
document = json.loads(text)
version = SchemaVersion.from_version(document["specVersion"])
fault = JsonStrictValidator(version).validate_str(text)
if fault is not None:
    sys.exit(str(fault))
unlicensed = [c["name"] for c in document["components"] if not c.get("licenses")]
if unlicensed:
    sys.exit("no licence of " + ", ".join(unlicensed))
print("CycloneDX", document["specVersion"], "with", len(document["components"]), "components")
PY
for file in "$1"/qimport-*.tar.gz "$1"/qimport-*.zip; do
	[ -f "$file" ] || continue
	case $file in
	*.zip) "${PYTHON:-python3}" -m zipfile -e "$file" "$scratch/one" ;;
	*) mkdir "$scratch/one" && tar -xzf "$file" -C "$scratch/one" ;;
	esac
	found=$("${PYTHON:-python3}" "$scratch/valid.py" <"$(echo "$scratch"/one/*/sbom.cdx.json)") || die "$(basename "$file"): its list is not as its schema says (see above)"
	say "$(basename "$file"): $found"
	rm -rf "$scratch/one"
done

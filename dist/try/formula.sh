# try.sh formula FOLDER: Homebrew itself is not asked.

ruby -c "$1/qimport.rb" >/dev/null || die "qimport.rb is not Ruby"
# Its methods are those of Homebrew; here they note what they are told.
ruby -e '
class Formula
  def self.method_missing(name, *args) = yield_or(name, args) { |*| nil }
  def self.yield_or(name, args) = ($said ||= []) << [name, *args]
  def self.respond_to_missing?(*) = true
  def self.test = nil
end
module OS; def self.mac? = $mac; def self.linux? = !$mac; end
module Hardware; module CPU; def self.arm? = $arm; def self.intel? = !$arm; end; end
[[true, true], [false, false], [false, true]].each do |mac, arm|
  $mac, $arm, $said = mac, arm, []
  load ARGV[0]
  url, digest = %i[url sha256].map { |n| $said.assoc(n)&.last }
  puts "#{mac ? "macos" : "linux"} #{arm ? "arm64" : "amd64"} #{digest || "-"} #{url ? File.basename(url) : "none"}"
end
' "$1/qimport.rb" 2>"$scratch/ruby" >"$scratch/formula" || { cat "$scratch/ruby" >&2; die "qimport.rb does not load"; }
while read -r os arch digest file; do
	[ "$file" = none ] && { say "$os $arch: no archive in the formula"; continue; }
	echo "$digest  $1/$file" | sha256sum --quiet -c - || die "qimport.rb has another digest of $file"
	say "$os $arch: $file, with its digest"
done <"$scratch/formula"

#!/bin/sh
# formula.sh FOLDER VERSION writes qimport.rb, a Homebrew formula, beside the archives that are in the
# folder: one with MLX for a Mac, two for Linux. Those that are not there are left out.
set -eu
out=$1 version=$2
base=${RELEASES:-https://example.invalid/qimport/releases/download}

# block CONDITION PLATFORM is the part of the formula for one archive.
block() {
	file=qimport-$version-$2.tar.gz
	[ -f "$out/$file" ] || return 0
	cat <<RB
  $1 do
    url "$base/$version/$file"
    sha256 "$(sha256sum "$out/$file" | cut -d' ' -f1)"
  end
RB
}

cat >"$out/qimport.rb" <<RB
class Qimport < Formula
  desc "Imports Qwen3.x checkpoints into the store that Ollama reads, and verifies them"
  homepage "${HOMEPAGE:-https://example.invalid/qimport}"
  version "${version#v}"
  license "MIT"
$(block "if OS.mac? && Hardware::CPU.arm?" darwin-arm64 | sed 's/ do$//')
$(block "if OS.linux? && Hardware::CPU.intel?" linux-amd64 | sed 's/ do$//')
$(block "if OS.linux? && Hardware::CPU.arm?" linux-arm64 | sed 's/ do$//')
$([ ! -f "$out/qimport-$version-darwin-arm64.tar.gz" ] || printf '\n  on_macos do\n    depends_on macos: :sonoma\n  end')

  def install
    libexec.install "bin", "lib"
    bin.write_exec_script libexec/"bin/qimport"
    man1.install Dir["share/man/man1/*"]
    bash_completion.install "share/completions/qimport.bash" => "qimport"
    zsh_completion.install "share/completions/qimport.zsh" => "_qimport"
    fish_completion.install "share/completions/qimport.fish"
    doc.install "README.md", "CHANGELOG.md", "THIRD_PARTY_NOTICES.md", "sbom.cdx.json", "licences"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/qimport version")
  end
end
RB

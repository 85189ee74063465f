package manifest

import (
	"fmt"
	"path/filepath"
)

// PutReport keeps what was found out about the model of that manifest, as JSON beside the store,
// where Ollama does not look. A later report takes its place. It stays as long as some name points
// at that manifest.
func (s *Store) PutReport(manifest Digest, report []byte) error {
	for _, dir := range []string{s.reportsDir(), s.stagingDir()} {
		if err := s.files.mkdir(dir); err != nil {
			return err
		}
	}
	return s.files.replace(s.reportPath(manifest), s.stagingDir(), report)
}

// Report is what PutReport kept of that manifest; fs.ErrNotExist where there is nothing.
func (s *Store) Report(manifest Digest) ([]byte, error) {
	b, _, err := s.files.read(s.reportPath(manifest), maxReport)
	if err == nil && len(b) > maxReport {
		err = fmt.Errorf("%s has more than %d bytes", s.reportPath(manifest), maxReport)
	}
	return b, err
}

// maxReport is the largest report that is read.
const maxReport = 64 << 20

func (s *Store) reportPath(manifest Digest) string {
	return filepath.Join(s.reportsDir(), manifest.FileName()+".json")
}

package manifest

import (
	"errors"
	"io"
)

// readBack is the buffer with which Advance reads.
const readBack = 256 << 10

// WriteAhead puts p at its place in the blob, offset bytes from its start, which Write has yet to
// reach. What is made early but lies late, as scales behind the elements of a tensor, need not wait
// in memory. Every byte put down so must be passed with Advance.
func (w *BlobWriter) WriteAhead(p []byte, offset int64) error {
	if w.err != nil {
		return w.err
	}
	if offset < w.size {
		w.err = errors.New("a blob was written ahead at a place that is behind")
		return w.err
	}
	w.err = w.stage.store.files.writeAt(w.file, p, offset)
	return w.err
}

// Advance goes on over n bytes that WriteAhead has put down, and hashes them as they lie in the file.
func (w *BlobWriter) Advance(n int64) error {
	if w.err != nil {
		return w.err
	}
	read, err := io.CopyBuffer(w.sum, io.NewSectionReader(w.file, w.size, n), make([]byte, max(1, min(n, readBack))))
	if err == nil && read < n {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		_, err = w.file.Seek(n, io.SeekCurrent)
	}
	w.err = explain(w.stage.store.root, err)
	w.size += read
	return w.err
}

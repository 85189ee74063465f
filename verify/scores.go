package verify

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/google/renameio/v2"

	"qimport/convert/safetensors"
	"qimport/quant"
)

// A file of scores is a safetensors file, so that other programs can read it:
//
//	ids        I32 [T]     the text's token ids
//	log_probs  F32 [T-1,V] log-probability of each token of the vocabulary to follow ids[0..i]
//
// Its metadata hold "scores" (the version, 1), "model", "manifest" and whatever else is known of
// the model that made it.
const (
	scoresVersion = "1"
	idsName       = "ids"
	logProbsName  = "log_probs"
)

// scoreWriter writes a file of scores row by row; the file appears when it is finished.
type scoreWriter struct {
	file     *renameio.PendingFile
	metadata map[string]string
	ids      []int
	vocab    int // 0 until the first row
	rows     int
	buf      []byte
}

// newScoreWriter starts the file at path for a text of at least two tokens.
func newScoreWriter(path string, ids []int, metadata map[string]string) (*scoreWriter, error) {
	if len(ids) < 2 {
		return nil, fmt.Errorf("a text of %d tokens has nothing to predict", len(ids))
	}
	f, err := renameio.NewPendingFile(path)
	if err != nil {
		return nil, fmt.Errorf("scores %s: %w", path, err)
	}
	metadata["scores"] = scoresVersion
	return &scoreWriter{file: f, ids: ids, metadata: metadata}, nil
}

// row appends one position's logits, as log-probabilities. A row that is not finite is refused: a
// reference with holes is none.
func (w *scoreWriter) row(logits []float32) error {
	if w.vocab == 0 {
		if err := w.header(len(logits)); err != nil {
			return err
		}
	}
	if len(logits) != w.vocab || w.rows == len(w.ids)-1 {
		return fmt.Errorf("scores: row %d of %d values, expected %d rows of %d", w.rows, len(logits), len(w.ids)-1, w.vocab)
	}
	largest, _ := top(logits)
	sum := logSum(logits, largest)
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("scores: position %d: %w", w.rows, errNotFinite)
	}
	for i, v := range logits {
		binary.LittleEndian.PutUint32(w.buf[4*i:], math.Float32bits(float32(float64(v)-sum)))
	}
	w.rows++
	_, err := w.file.Write(w.buf)
	return err
}

// errNotFinite marks logits with a NaN or an infinity among them.
var errNotFinite = errors.New("the logits are not finite")

func (w *scoreWriter) header(vocab int) error {
	w.vocab, w.buf = vocab, make([]byte, 4*vocab)
	h, err := safetensors.New(w.metadata, []safetensors.Tensor{
		{Name: idsName, Dtype: quant.I32, Shape: []int{len(w.ids)}},
		{Name: logProbsName, Dtype: quant.F32, Shape: []int{len(w.ids) - 1, vocab}},
	})
	if err != nil {
		return err
	}
	_, err = w.file.Write(append(h.Append(nil), encodeIDs(w.ids)...))
	return err
}

// finish puts the file in place, or says how many rows it lacks.
func (w *scoreWriter) finish() error {
	if w.rows != len(w.ids)-1 {
		return fmt.Errorf("scores end after %d of %d positions: %w", w.rows, len(w.ids)-1, io.ErrUnexpectedEOF)
	}
	return w.file.CloseAtomicallyReplace()
}

// abort leaves nothing behind; after finish it does nothing.
func (w *scoreWriter) abort() { _ = w.file.Cleanup() }

// encodeIDs is the ids as little-endian 32-bit words.
func encodeIDs(ids []int) []byte {
	b := make([]byte, 4*len(ids))
	for i, id := range ids {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(id))
	}
	return b
}

// textDigest identifies a text by its token ids.
func textDigest(ids []int) string {
	sum := sha256.Sum256(encodeIDs(ids))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// scores is a file of scores, opened.
type scores struct {
	file     *safetensors.File
	metadata map[string]string
	ids      []int
	vocab    int
	rows     []byte // mapped
	buf      []float32
}

// openScores opens a file that a scoreWriter wrote.
func openScores(path string) (*scores, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scores: %w", err)
	}
	s := &scores{file: f, metadata: f.Header.Metadata}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("scores %s: %w", path, err), f.Close())
	}
	return s, nil
}

func (s *scores) open() error {
	if v := s.metadata["scores"]; v != scoresVersion {
		return fmt.Errorf("its metadata name version %q of scores, this program reads %s", v, scoresVersion)
	}
	found := map[string]safetensors.Tensor{}
	for _, t := range s.file.Header.Tensors {
		found[t.Name] = t
	}
	ids, rows := found[idsName], found[logProbsName]
	if ids.Dtype != quant.I32 || len(ids.Shape) != 1 || rows.Dtype != quant.F32 || len(rows.Shape) != 2 || rows.Shape[0] != ids.Shape[0]-1 {
		return fmt.Errorf("it does not hold ids and log_probs that fit each other")
	}
	raw, err := s.file.Bytes(idsName)
	if err != nil {
		return err
	}
	for i := range ids.Shape[0] {
		s.ids = append(s.ids, int(int32(binary.LittleEndian.Uint32(raw[4*i:]))))
	}
	s.vocab, s.buf = rows.Shape[1], make([]float32, rows.Shape[1])
	s.rows, err = s.file.Bytes(logProbsName)
	return err
}

// row is the log-probabilities of position i; the slice is good until the next call.
func (s *scores) row(i int) []float32 {
	raw := s.rows[4*s.vocab*i:][:4*s.vocab]
	for j := range s.buf {
		s.buf[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
	}
	return s.buf
}

func (s *scores) close() error { return s.file.Close() }

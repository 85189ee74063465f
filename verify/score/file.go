package score

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"qimport/convert/safetensors"
	"qimport/internal/replace"
	"qimport/quant"
)

// A file of scores is a safetensors file, so that other programs can read it:
//
//	ids        I32 [T]     the text's token ids
//	log_probs  F32 [T-1,V] log-probability of each token of the vocabulary to follow ids[0..i]
//
// Several texts stand in it one after the other, and have a third array:
//
//	lengths    I32 [N]     how many of the ids are each text's; log_probs then have T-N rows
//
// Its metadata hold "scores" (the version, 1), "model", "manifest" and whatever else is known of
// the model that made it.
const (
	scoresVersion = "1"
	idsName       = "ids"
	lengthsName   = "lengths"
	logProbsName  = "log_probs"
)

// Writer writes a file of scores row by row; the file appears when it is finished.
type Writer struct {
	file     *replace.File
	metadata map[string]string
	texts    Texts
	rows     []int // of each text, those written
	vocab    int   // 0 until the first row
	begin    int64 // of the rows in the file
	buf      []byte
}

// Create starts the file at path for texts of at least two tokens each.
func Create(path string, read Texts, metadata map[string]string) (*Writer, error) {
	for _, ids := range read {
		if len(ids) < 2 {
			return nil, fmt.Errorf("a text of %d tokens has nothing to predict", len(ids))
		}
	}
	f, err := replace.New(path, replace.Private)
	if err != nil {
		return nil, fmt.Errorf("scores %s: %w", path, err)
	}
	metadata["scores"] = scoresVersion
	return &Writer{file: f, texts: read, rows: make([]int, len(read)), metadata: metadata}, nil
}

// Row writes the logits of a text's next position, as log-probabilities. A row that is not finite is
// refused: a reference with holes is none.
func (w *Writer) Row(text int, logits []float32) error {
	if w.vocab == 0 {
		if err := w.header(len(logits)); err != nil {
			return err
		}
	}
	next, most := w.rows[text], len(w.texts[text])-1
	if len(logits) != w.vocab || next == most {
		return fmt.Errorf("scores: row %d of %d values, expected %d rows of %d", next, len(logits), most, w.vocab)
	}
	largest, _ := top(logits)
	sum := logSum(logits, largest)
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("scores: position %d: %w", next, ErrNotFinite)
	}
	for i, v := range logits {
		binary.LittleEndian.PutUint32(w.buf[4*i:], math.Float32bits(float32(float64(v)-sum)))
	}
	w.rows[text]++
	_, err := w.file.WriteAt(w.buf, w.begin+int64(w.texts.Row(text, next))*int64(len(w.buf)))
	return err
}

// ErrNotFinite marks logits with a NaN or an infinity among them.
var ErrNotFinite = errors.New("the logits are not finite")

func (w *Writer) header(vocab int) error {
	w.vocab, w.buf = vocab, make([]byte, 4*vocab)
	tensors := []safetensors.Tensor{{Name: idsName, Dtype: quant.I32, Shape: []int{w.texts.tokens()}}}
	words := w.texts.joined()
	if n := len(w.texts); n > 1 {
		tensors = append(tensors, safetensors.Tensor{Name: lengthsName, Dtype: quant.I32, Shape: []int{n}})
		words = append(words, w.texts.Lengths()...)
	}
	tensors = append(tensors, safetensors.Tensor{Name: logProbsName, Dtype: quant.F32, Shape: []int{w.texts.Positions(), vocab}})
	h, err := safetensors.New(w.metadata, tensors)
	if err != nil {
		return err
	}
	n, err := w.file.Write(append(h.Append(nil), encodeIDs(words)...))
	w.begin = int64(n)
	return err
}

// Finish puts the file in place, or says how many rows it lacks.
func (w *Writer) Finish() error {
	written := 0
	for _, n := range w.rows {
		written += n
	}
	if want := w.texts.Positions(); written != want {
		return fmt.Errorf("scores end after %d of %d positions: %w", written, want, io.ErrUnexpectedEOF)
	}
	return w.file.Place()
}

// Abort leaves nothing behind; after Finish it does nothing.
func (w *Writer) Abort() { _ = w.file.Drop() }

// File is a file of scores, opened.
type File struct {
	file     *safetensors.File
	Metadata map[string]string
	Texts    Texts
	Vocab    int
	rows     []byte // mapped
	buf      []float32
}

// Open opens a file that a Writer wrote.
func Open(path string) (*File, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("scores: %w", err)
	}
	s := &File{file: f, Metadata: f.Header.Metadata}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("scores %s: %w", path, err), f.Close())
	}
	return s, nil
}

func (s *File) open() error {
	if v := s.Metadata["scores"]; v != scoresVersion {
		return fmt.Errorf("its metadata name version %q of scores, this program reads %s", v, scoresVersion)
	}
	found := map[string]safetensors.Tensor{}
	for _, t := range s.file.Header.Tensors {
		found[t.Name] = t
	}
	ids, rows := found[idsName], found[logProbsName]
	if ids.Dtype != quant.I32 || len(ids.Shape) != 1 || rows.Dtype != quant.F32 || len(rows.Shape) != 2 {
		return errUnfit
	}
	read, err := s.ids(idsName)
	if err != nil {
		return err
	}
	if s.Texts, err = s.cut(read, found[lengthsName]); err != nil {
		return err
	}
	if rows.Shape[0] != s.Texts.Positions() || rows.Shape[1] > maxVocab {
		return errUnfit
	}
	s.Vocab, s.buf = rows.Shape[1], make([]float32, rows.Shape[1])
	s.rows, err = s.file.Bytes(logProbsName)
	return err
}

// maxVocab bounds what a row without a byte behind it can make us allocate; the largest known
// vocabulary has 250,000 tokens.
const maxVocab = 1 << 24

// ids reads an array of numbers whole.
func (s *File) ids(name string) (ids []int, err error) {
	raw, err := s.file.Bytes(name)
	if err != nil {
		return nil, err
	}
	err = s.guard(func() { ids = decodeIDs(raw) })
	return ids, err
}

// guard runs f, which reads the mapped file.
func (s *File) guard(f func()) error {
	return safetensors.Guard([]*safetensors.File{s.file}, func() error { f(); return nil })
}

// errUnfit is of a file with other arrays than scores have, or of other sizes.
var errUnfit = errors.New("it does not hold ids and log_probs that fit each other")

// cut is the ids text by text, by the array of lengths; without one they are a single text.
func (s *File) cut(ids []int, lengths safetensors.Tensor) (Texts, error) {
	if lengths.Name == "" {
		return Texts{ids}, nil
	}
	if lengths.Dtype != quant.I32 || len(lengths.Shape) != 1 {
		return nil, errUnfit
	}
	all, err := s.ids(lengthsName)
	if err != nil {
		return nil, err
	}
	var read Texts
	for _, n := range all {
		if n < 2 || n > len(ids) {
			return nil, errUnfit
		}
		read, ids = append(read, ids[:n]), ids[n:]
	}
	if len(ids) > 0 {
		return nil, errUnfit
	}
	return read, nil
}

// Row is the log-probabilities of position i, counted through all texts; the slice is good until the
// next call.
func (s *File) Row(i int) ([]float32, error) {
	raw := s.rows[4*s.Vocab*i:][:4*s.Vocab]
	err := s.guard(func() {
		for j := range s.buf {
			s.buf[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
		}
	})
	return s.buf, err
}

func (s *File) Close() error { return s.file.Close() }

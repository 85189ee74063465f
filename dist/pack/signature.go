package main

import (
	"bytes"
	"crypto/sha256"
	"debug/macho"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// From Apple's cs_blobs.h. All numbers of a signature have their highest byte first.
const (
	loadCodeSignature = 0x1d // LC_CODE_SIGNATURE
	signatureMagic    = 0xfade0cc0
	directoryMagic    = 0xfade0c02
	directorySlot     = 0
	hashIsSHA256      = 2
	maxSignature      = 64 << 20 // that of a program of 8 GB
)

// directory is the beginning of a signature's code directory.
type directory struct {
	Magic, Length, Version, Flags      uint32
	Hashes, Ident                      uint32 // where they begin in the directory
	Special, Pages                     uint32
	Limit                              uint32 // how many bytes of the file are hashed
	HashSize, HashType, Platform, Page uint8  // Page is the logarithm of a page's size
}

// checkSignature holds the pages of a program or library to the hashes that it is signed with, if only by nobody
// in particular. A Mac with an Apple processor ends a program one of whose pages differs.
func checkSignature(r io.ReaderAt, f *macho.File) error {
	for _, l := range f.Loads {
		b, ok := l.(macho.LoadBytes)
		if !ok || len(b) < 16 || f.ByteOrder.Uint32(b) != loadCodeSignature {
			continue
		}
		size := f.ByteOrder.Uint32(b[12:])
		if size > maxSignature {
			return errors.New("its signature is too long")
		}
		signature := make([]byte, size)
		if _, err := r.ReadAt(signature, int64(f.ByteOrder.Uint32(b[8:]))); err != nil {
			return fmt.Errorf("its signature cannot be read: %w", err)
		}
		return checkPages(r, signature)
	}
	return errors.New("it has no signature, not even an ad-hoc one: a Mac would not run it")
}

func checkPages(r io.ReaderAt, signature []byte) error {
	at, err := findDirectory(signature)
	if err != nil {
		return err
	}
	var d directory
	if err := binary.Read(bytes.NewReader(at), binary.BigEndian, &d); err != nil || d.Magic != directoryMagic {
		return errors.New("its signature has no code directory")
	}
	if d.HashType != hashIsSHA256 || d.HashSize != sha256.Size || d.Page < 12 || d.Page > 16 {
		return fmt.Errorf("its signature is of another kind: hash %d of %d bytes, pages of 2^%d", d.HashType, d.HashSize, d.Page)
	}
	page := make([]byte, 1<<d.Page)
	if uint64(d.Pages) != (uint64(d.Limit)+uint64(len(page))-1)>>d.Page || uint64(d.Hashes)+uint64(d.Pages)*sha256.Size > uint64(len(at)) {
		return errors.New("its signature has not one hash for each page")
	}
	for i := range int64(d.Pages) {
		n := min(int64(len(page)), int64(d.Limit)-i<<d.Page)
		if _, err := r.ReadAt(page[:n], i<<d.Page); err != nil {
			return fmt.Errorf("its page %d cannot be read: %w", i, err)
		}
		want := at[int64(d.Hashes)+i*sha256.Size:][:sha256.Size]
		if got := sha256.Sum256(page[:n]); !bytes.Equal(got[:], want) {
			return fmt.Errorf("its page %d is not the one that was signed: a Mac would not run it", i)
		}
	}
	return nil
}

// findDirectory returns a signature from its code directory on.
func findDirectory(signature []byte) ([]byte, error) {
	order := binary.BigEndian
	if len(signature) < 12 || order.Uint32(signature) != signatureMagic {
		return nil, errors.New("its signature is none of Apple's form")
	}
	count := order.Uint32(signature[8:])
	for index := signature[12:]; count > 0 && len(index) >= 8; count, index = count-1, index[8:] {
		if at := order.Uint32(index[4:]); order.Uint32(index) == directorySlot && uint64(at) <= uint64(len(signature)) {
			return signature[at:], nil
		}
	}
	return nil, errors.New("its signature has no code directory")
}

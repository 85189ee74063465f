// Package replace writes small files whole or not at all: the new one is gathered beside the place of the
// old one, and takes it in a rename. Names are brought to the disk here, too.
//
// It must not know what is in a file.
package replace

import "errors"

// Mode is which permissions a new file gets.
type Mode int

// Private is for files of the user's alone, Shared for those that others read as far as the umask lets
// them, Public for those that they read whatever it is. Windows has no such thing: there a file gets what
// its folder hands down.
const (
	Private Mode = iota
	Shared
	Public
)

// WriteFile puts a file of that content in place.
func WriteFile(path string, content []byte, mode Mode) error {
	f, err := New(path, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Place()
	}
	if err != nil {
		return errors.Join(err, f.Drop())
	}
	return nil
}

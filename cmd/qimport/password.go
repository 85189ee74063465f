package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"golang.org/x/term"

	"qimport/verify/attest"
)

// passwordVariable is where cosign, too, looks for the password of its keys.
const passwordVariable = "COSIGN_PASSWORD"

// password is that of an encrypted key: of the environment, else what a person types; once a command.
func (s stdio) password(ctx context.Context) attest.Password {
	return sync.OnceValues(func() ([]byte, error) {
		if p, ok := os.LookupEnv(passwordVariable); ok {
			return []byte(p), nil
		}
		f, ok := s.in.(*os.File)
		if !ok || !isTerminal(f) {
			return nil, errors.New("it is encrypted: " + passwordVariable + " has no password, and there is no terminal to ask for one")
		}
		state, err := term.GetState(int(f.Fd()))
		if err != nil {
			return nil, err
		}
		restored := context.AfterFunc(ctx, func() { _ = term.Restore(int(f.Fd()), state) }) // a signal ends the process while it reads
		defer restored()
		fprintln(s.err, "password of the key:")
		return term.ReadPassword(int(f.Fd()))
	})
}

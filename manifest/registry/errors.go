package registry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"qimport/internal/transfer"
)

var (
	// ErrDenied marks what the registry lets nobody do, or not with the credentials at hand.
	ErrDenied = errors.New("the registry refuses access")
	// ErrAbsent marks what the registry does not have.
	ErrAbsent = errors.New("not in the registry")
	// ErrUnusable marks that there was no connection, or that it broke or brought nothing again and again.
	ErrUnusable = errors.New("the registry cannot be used now")
	// ErrDamaged marks bytes that are not those which a digest stands for.
	ErrDamaged = errors.New("came damaged")
	// ErrContent marks what is no model that the store can keep.
	ErrContent = errors.New("no model for this store")
)

// mendable marks answers that another try may not get: uploads that a restarted registry has forgotten,
// and bytes that were spoilt on the way.
func mendable(err error) error {
	var said *errcode.ErrorResponse
	if !errors.As(err, &said) || errors.As(err, new(transfer.Temporary)) {
		return err
	}
	for _, e := range said.Errors {
		switch e.Code {
		case errcode.ErrorCodeBlobUploadUnknown, errcode.ErrorCodeBlobUploadInvalid, errcode.ErrorCodeDigestInvalid, errcode.ErrorCodeSizeInvalid:
			return transfer.Temporary{Err: err}
		}
	}
	return err
}

// explain says in one sentence what went wrong. Addresses are taken out, which may be signed or as long as
// a stranger likes.
func (c *Client) explain(err error) error {
	var said *errcode.ErrorResponse
	var inner *url.Error
	switch {
	case err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrContent):
		return err
	case errors.As(err, &said):
		return c.answered(said.StatusCode, said.Errors)
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		return fmt.Errorf("%w: %s wants a user and a password, and there are none for it", ErrDenied, c.ref.Registry)
	case errors.Is(err, errdef.ErrNotFound):
		return fmt.Errorf("%w: %s", ErrAbsent, c.ref)
	case errors.As(err, &inner):
		host := ""
		if u, bad := url.Parse(inner.URL); bad == nil {
			host = u.Host
		}
		return fmt.Errorf("%w: %.200s: %w", ErrUnusable, host, inner.Err)
	case errors.As(err, new(transfer.Temporary)):
		return fmt.Errorf("%w: %s: %w", ErrUnusable, c.ref.Registry, err)
	}
	return err
}

// answered is what a status means.
func (c *Client) answered(status int, said errcode.Errors) error {
	text := http.StatusText(status)
	if len(said) > 0 {
		text += fmt.Sprintf(": %.300s", said.Error())
	}
	err := fmt.Errorf("%s answered %d %s", c.ref.Registry, status, text)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case http.StatusNotFound:
		return fmt.Errorf("%w: %s: %w", ErrAbsent, c.ref, err)
	}
	return err
}

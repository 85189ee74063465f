package convert

import "qimport/convert/arch"

// Config is what config.json says, as far as converting needs it.
type Config struct {
	arch.Config        // family and sizes of the text model
	Raw         []byte // config.json as it is
}

package report

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
)

// Features are what a vision tower makes of pictures, beside what the reference's makes of them.
type Features struct {
	After string `json:"after"` // a block, a merger of deepstack, or the merger
	// Error is the root of the squared differences over that of the squares, of the picture with the largest;
	// null where it is not finite.
	Error *float64 `json:"relative_error"`
}

// Picture is one that was shown to the model.
type Picture struct {
	Name   string `json:"name"`   // of its file, as it was given
	Digest string `json:"digest"` // sha256 of the file
	Data   []byte `json:"data,omitempty"`
}

// PictureBytes is how much of pictures a report holds at most; of what is more it has names and digests.
const PictureBytes = 1 << 20

// URL holds the picture itself; "" where the report does not, or where it is none that a browser draws.
func (p Picture) URL() template.URL {
	kind := http.DetectContentType(p.Data)
	if len(p.Data) == 0 || !strings.Contains(" image/png image/jpeg image/gif image/webp ", " "+kind+" ") {
		return ""
	}
	return template.URL("data:" + kind + ";base64," + base64.StdEncoding.EncodeToString(p.Data))
}

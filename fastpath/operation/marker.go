package operation

import (
	"encoding/base64"
	"encoding/json"

	"trent/fastpath/wire"
)

// marker is a position in a listing. It names the operation and whose listing it is, so that a marker of
// one is refused by another.
type marker struct {
	Operation string `json:"o"`
	Scope     string `json:"s"`
	After     string `json:"a"`
}

func (c *Call) markerScope() string {
	if c.Key.Snapshot != nil {
		return c.Key.Snapshot.ARN
	}
	return c.Scope.AliasARN("")
}

// sealMarker is the NextMarker of a page that ended with the entry named.
func sealMarker(last string, c *Call) string {
	// A struct of three strings always encodes.
	b, _ := json.Marshal(marker{c.Operation.String(), c.markerScope(), last})
	return base64.URLEncoding.EncodeToString(b)
}

// openMarker is the entry after which a page begins, empty for the first page.
func openMarker(text []byte, c *Call) (string, error) {
	if text == nil {
		return "", nil
	}
	refused := wire.Bare(wire.CodeInvalidMarkerException)
	b, err := base64.URLEncoding.DecodeString(string(text))
	if err != nil {
		return "", refused
	}
	var m marker
	if err := json.Unmarshal(b, &m); err != nil || m.Operation != c.Operation.String() || m.Scope != c.markerScope() || m.After == "" {
		return "", refused
	}
	return m.After, nil
}

// pageSize is how many entries a page has: what was asked for within the documented maximum, else the default.
func pageSize(limit int32, given bool, otherwise, most int) int {
	if !given {
		return otherwise
	}
	return min(int(limit), most)
}

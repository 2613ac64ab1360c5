package results

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a duration in nanoseconds, or Never.
type Latency int64

// Never is the latency of a hit that had no good answer. It ranks above every other.
const Never Latency = math.MaxInt64

// MarshalJSON writes nanoseconds, or "never": other JSON readers lose digits of numbers above 2^53.
func (l Latency) MarshalJSON() ([]byte, error) {
	if l == Never {
		return []byte(`"never"`), nil
	}
	return json.Marshal(int64(l))
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (l *Latency) UnmarshalJSON(data []byte) error {
	if string(data) == `"never"` {
		*l = Never
		return nil
	}
	var n int64
	if err := json.Unmarshal(data, &n); err != nil {
		return err
	}
	if n < 0 {
		return fmt.Errorf("latency %d is negative", n)
	}
	*l = Latency(n)
	return nil
}

// String is the latency with three digits and its unit.
func (l Latency) String() string {
	if l == Never {
		return "never"
	}
	return formatDuration(time.Duration(l))
}

// Histogram is an HDR histogram of nanoseconds in its V2 compressed form, base64: merging decoded histograms of the
// same limits and digits is exact.
type Histogram struct {
	Encoded string `json:"hdr"`
}

// maxEncoded bounds what Decode accepts; a full histogram of 1 h at 3 digits is about 100 kB encoded.
const maxEncoded = 1 << 20

// EncodeHistogram packs a histogram; nil for none or an empty one.
func EncodeHistogram(h *hdr.Histogram) (*Histogram, error) {
	if h == nil || h.TotalCount() == 0 {
		return nil, nil
	}
	encoded, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encoding a histogram: %w", err)
	}
	return &Histogram{Encoded: string(encoded)}, nil
}

// Decode unpacks the histogram.
func (h *Histogram) Decode() (*hdr.Histogram, error) {
	if len(h.Encoded) > maxEncoded {
		return nil, fmt.Errorf("decoding a histogram: larger than %d bytes", maxEncoded)
	}
	decoded, err := hdr.Decode([]byte(h.Encoded))
	if err != nil {
		return nil, fmt.Errorf("decoding a histogram: %w", err)
	}
	return decoded, nil
}

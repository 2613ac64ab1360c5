package audit

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/klauspost/compress/gzip"
)

// unzip is the text of data's members up to where they are damaged; whole: there is no damage.
func unzip(data []byte) (text []byte, whole bool) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, false
	}
	var b bytes.Buffer
	_, err = io.Copy(&b, r)
	return b.Bytes(), err == nil
}

func zip(text []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(text) // to memory
	_ = w.Close()
	return b.Bytes()
}

func validJSON(line []byte) bool { return json.Valid(line) }

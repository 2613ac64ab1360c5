package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
)

// MaxRecord bounds a record that Read takes, in bytes; the service's are at most 256 KB.
const MaxRecord = 16 << 20

// ErrTorn is the end of a file that is still written, or was cut short: what came before it is whole.
var ErrTorn = errors.New("the file ends within a record")

// SyntaxError is text that is no trail's, and where: bytes from the start of the unpacked text.
type SyntaxError struct {
	Offset int64
	Err    error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("byte %d: %v", e.Offset, e.Err) }

func (e *SyntaxError) Unwrap() error { return e.Err }

// Read gives each record of a trail's file: an object with a list of Records, or objects one after the other; gzipped or not. A
// record ends with the call. Errors: those of each, ErrTorn, *SyntaxError, and what keeps r from being read.
func Read(r io.Reader, each func(record json.RawMessage) error) error {
	buffered := bufio.NewReaderSize(r, 64<<10)
	if magic, err := buffered.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return torn(err, 0)
		}
		buffered = bufio.NewReaderSize(z, 64<<10)
	}
	p := &recordReader{limited: &io.LimitedReader{R: buffered, N: MaxRecord}, each: each}
	p.decoder = json.NewDecoder(p.limited)
	for {
		err := p.value()
		var own *callError
		switch {
		case err == nil:
		case errors.Is(err, errEnd):
			return nil
		case errors.As(err, &own):
			return own.err
		case p.limited.N <= 0:
			return &SyntaxError{p.decoder.InputOffset(), fmt.Errorf("a record is longer than %d bytes", MaxRecord)}
		default:
			return torn(err, p.decoder.InputOffset())
		}
	}
}

var errEnd = errors.New("end")

// callError is an error of the caller's.
type callError struct{ err error }

func (e *callError) Error() string { return e.err.Error() }

func torn(err error, offset int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return ErrTorn
	}
	return &SyntaxError{offset, err}
}

type recordReader struct {
	limited *io.LimitedReader
	decoder *json.Decoder
	each    func(json.RawMessage) error
}

// value reads what stands at the top: a file's object, or a record.
func (p *recordReader) value() error {
	p.limited.N = MaxRecord
	token, err := p.decoder.Token()
	if err == io.EOF {
		return errEnd
	}
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return fmt.Errorf("expected an object, found %v", token)
	}
	var record bytes.Buffer // of an object that is a record itself
	for p.decoder.More() {
		name, err := p.decoder.Token()
		if err != nil {
			return err
		}
		if name == "Records" && record.Len() == 0 {
			if err := p.list(); err != nil {
				return err
			}
			continue
		}
		var value json.RawMessage
		if err := p.decoder.Decode(&value); err != nil {
			return err
		}
		if record.Len() == 0 {
			record.WriteByte('{')
		} else {
			record.WriteByte(',')
		}
		text, _ := name.(string)
		record.Write(appendString(nil, text))
		record.WriteByte(':')
		record.Write(value)
	}
	if _, err := p.decoder.Token(); err != nil {
		return err
	}
	if record.Len() == 0 {
		return nil
	}
	record.WriteByte('}')
	return p.give(record.Bytes())
}

func (p *recordReader) list() error {
	token, err := p.decoder.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return fmt.Errorf("expected a list of records, found %v", token)
	}
	var record json.RawMessage
	for p.decoder.More() {
		p.limited.N = MaxRecord
		if err := p.decoder.Decode(&record); err != nil {
			return err
		}
		if err := p.give(record); err != nil {
			return err
		}
	}
	_, err = p.decoder.Token()
	return err
}

func (p *recordReader) give(record json.RawMessage) error {
	if err := p.each(record); err != nil {
		return &callError{err}
	}
	return nil
}

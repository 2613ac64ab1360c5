package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// FileError is what is wrong with a log file, and where: bytes from the start, of the unpacked text.
type FileError struct {
	File   string
	Offset int64
	Err    error
}

func (e *FileError) Error() string {
	return fmt.Sprintf("%s, byte %d: %v", e.File, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// readFile calls each for every event of a file, and tick now and then, which may end it by an error. A file is an object with a list "Records", as trails write them, or a record a line, full
// or of the short form {"t":…,"op":…,"by":…,"ctx":[…],"key":…}. All may be gzipped. It returns the file's size on disk. Errors are *FileError, or what each returned.
func readFile(path string, each func(Event) error, tick func() error) (bytesRead int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("reading a log: %w", err)
	}
	defer file.Close()
	packed := &counted{r: file}
	if err := readStream(path, packed, each, tick); err != nil {
		return packed.n, err
	}
	return packed.n, nil
}

// readStream is readFile of anything.
func readStream(name string, r io.Reader, each func(Event) error, tick func() error) error {
	buffered := bufio.NewReaderSize(r, 256<<10)
	if magic, err := buffered.Peek(2); err == nil && bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		zip, err := gzip.NewReader(buffered)
		if err != nil {
			return &FileError{name, 0, err}
		}
		defer zip.Close()
		buffered = bufio.NewReaderSize(zip, 256<<10)
	}
	limited := &limiter{r: buffered, left: maxRecord}
	p := &parser{name: name, decoder: json.NewDecoder(limited), limiter: limited, each: each, tick: tick}
	return p.file()
}

// maxRecord bounds the text of one record, which is held as a whole. The service's are below 1 MB.
const maxRecord = 16 << 20

var errTooLong = fmt.Errorf("a record is longer than %d bytes", maxRecord)

// limiter refuses to read on where a record does not end.
type limiter struct {
	r    io.Reader
	left int
}

func (l *limiter) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// parser walks through a file without holding more of it than a record.
type parser struct {
	name    string
	decoder *json.Decoder
	limiter *limiter
	each    func(Event) error
	tick    func() error // called now and then
	seen    uint         // records
	record  record
}

// fail places an error, except one that came from the caller's function.
func (p *parser) fail(err error) error {
	var mine *callbackError
	if errors.As(err, &mine) {
		return mine.err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return &FileError{p.name, p.decoder.InputOffset(), err}
}

type callbackError struct{ err error }

func (e *callbackError) Error() string { return e.err.Error() }

// file takes values until the end: each an object with Records or a record itself.
func (p *parser) file() error {
	for {
		p.limiter.left = maxRecord
		token, err := p.decoder.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return p.fail(err)
		}
		if token != json.Delim('{') {
			return p.fail(fmt.Errorf("expected an object, found %v", token))
		}
		if err := p.object(); err != nil {
			return p.fail(err)
		}
	}
}

// object reads the members of an object whose brace is taken. Whether it is a file or a record shows at its first known member.
func (p *parser) object() error {
	members := map[string]json.RawMessage{}
	for p.decoder.More() {
		token, err := p.decoder.Token()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			return fmt.Errorf("expected a member's name, found %v", token)
		}
		if name == "Records" {
			if err := p.records(); err != nil {
				return err
			}
			continue
		}
		var value json.RawMessage
		if err := p.decoder.Decode(&value); err != nil {
			return err
		}
		if len(members) < maxMembers && name != "_source" {
			members[name] = value
		}
	}
	if _, err := p.decoder.Token(); err != nil { // the closing brace
		return err
	}
	_, full := members["eventSource"]
	_, short := members["op"]
	if !full && !short {
		return nil
	}
	whole, err := json.Marshal(members)
	if err != nil {
		return err
	}
	if !full {
		return p.giveShort(whole)
	}
	p.record = record{}
	if err := json.Unmarshal(whole, &p.record); err != nil {
		return err
	}
	return p.give()
}

// maxMembers bounds the members of a record that are kept while it is read; records have about thirty.
const maxMembers = 256

// records reads a list of records.
func (p *parser) records() error {
	token, err := p.decoder.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return fmt.Errorf("expected the list of records, found %v", token)
	}
	for p.decoder.More() {
		p.record = record{}
		p.limiter.left = maxRecord
		if err := p.decoder.Decode(&p.record); err != nil {
			return err
		}
		if err := p.give(); err != nil {
			return err
		}
	}
	_, err = p.decoder.Token() // the closing bracket
	return err
}

func (p *parser) giveShort(data []byte) error {
	var l timeline
	if err := json.Unmarshal(data, &l); err != nil {
		return err
	}
	e, err := l.event()
	if err != nil {
		return err
	}
	if err := p.each(e); err != nil {
		return &callbackError{err}
	}
	return nil
}

// tickEvery is the records between two ticks, some tens of milliseconds of work.
const tickEvery = 4096

func (p *parser) give() error {
	if p.seen++; p.seen%tickEvery == 0 {
		if err := p.tick(); err != nil {
			return &callbackError{err}
		}
	}
	e, ok, err := p.record.event()
	if err != nil || !ok {
		return err
	}
	if err := p.each(e); err != nil {
		return &callbackError{err}
	}
	return nil
}

package frontend

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// appendHead appends the status line and the header lines as KMS sends them: these, in this order and case.
func (c *connection) appendHead(dst []byte, w *Response, at time.Time, form answerForm) []byte {
	if w.Status == http.StatusOK {
		dst = append(dst, "HTTP/1.1 200 OK\r\n"...)
	} else {
		dst = append(dst, "HTTP/1.1 "...)
		dst = strconv.AppendInt(dst, int64(w.Status), 10)
		dst = append(dst, ' ')
		dst = append(dst, http.StatusText(w.Status)...)
		dst = append(dst, "\r\n"...)
	}
	dst = append(dst, "x-amzn-RequestId: "...)
	dst = append(dst, w.RequestID[:]...)
	dst = append(dst, "\r\nCache-Control: no-cache, no-store, must-revalidate, private\r\nExpires: 0\r\nPragma: no-cache\r\nDate: "...)
	dst = append(dst, c.dateAt(at)...)
	if w.ContentType != "" {
		dst = append(dst, "\r\nContent-Type: "...)
		dst = append(dst, w.ContentType...)
	}
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(w.Body)), 10)
	switch {
	case form.closing:
		dst = append(dst, "\r\nConnection: close"...)
	case form.http10:
		dst = append(dst, "\r\nConnection: keep-alive"...)
	}
	return append(dst, "\r\n\r\n"...)
}

// dateAt is the Date header's value, written once a second.
func (c *connection) dateAt(at time.Time) []byte {
	if second := at.Unix(); second != c.dateSecond {
		c.dateSecond = second
		at.UTC().AppendFormat(c.date[:0], http.TimeFormat)
	}
	return c.date[:]
}

// newRequestID is a random UUID (RFC 9562, version 4) in lower case.
func newRequestID() (id [36]byte) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	at := 0
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			id[at] = '-'
			at++
		}
		hex.Encode(id[at:], []byte{c})
		at += 2
	}
	return id
}

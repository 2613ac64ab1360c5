package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"
)

// The fixed parts of a request. The protocol is AWS JSON 1.1; target prefix and service name are those of AWS KMS.
const (
	targetPrefix = "TrentService."
	service      = "kms"
	contentType  = "application/x-amz-json-1.1"
	userAgent    = "trent-load/1.0"
)

// signer writes signed requests (Signature Version 4, "Create a signed AWS API request" in the IAM user guide). It keeps the
// signing key, which changes once a day, and the texts of the current second, so that a request costs two hashes and one
// HMAC and no allocation. It belongs to one goroutine.
type signer struct {
	credentials Credentials
	region      string
	host        string

	second    int64 // Unix time that date is for
	date      []byte
	day       string // the first eight bytes of date, for which key is
	scope     string
	mac       hash.Hash
	signed    string // names of the signed headers
	canonical []byte // scratch
	sum       [sha256.Size]byte
	hex       [2 * sha256.Size]byte
}

const dateFormat = "20060102T150405Z"

func newSigner(c Credentials, region, host string) *signer {
	s := &signer{credentials: c, region: region, host: host, second: -1}
	s.signed = "content-type;host;x-amz-date;x-amz-target"
	if c.SessionToken != "" {
		s.signed = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target"
	}
	return s
}

// at brings the cached texts and the signing key to the time.
func (s *signer) at(now time.Time) {
	second := now.Unix()
	if second == s.second {
		return
	}
	s.second = second
	s.date = now.UTC().AppendFormat(s.date[:0], dateFormat)
	if day := s.date[:8]; string(day) != s.day {
		s.day = string(day)
		s.scope = s.day + "/" + s.region + "/" + service + "/aws4_request"
		key := []byte("AWS4" + s.credentials.Secret)
		for _, part := range []string{s.day, s.region, service, "aws4_request"} {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(part))
			key = m.Sum(nil)
		}
		s.mac = hmac.New(sha256.New, key)
	}
}

// appendRequest appends a whole HTTP request for an operation.
func (s *signer) appendRequest(dst []byte, operation string, body []byte, now time.Time) []byte {
	s.at(now)
	signature := s.signature(operation, body)
	dst = append(dst, "POST / HTTP/1.1\r\nHost: "...)
	dst = append(dst, s.host...)
	dst = append(dst, "\r\nUser-Agent: "+userAgent+"\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential="...)
	dst = append(dst, s.credentials.AccessKeyID...)
	dst = append(dst, '/')
	dst = append(dst, s.scope...)
	dst = append(dst, ", SignedHeaders="...)
	dst = append(dst, s.signed...)
	dst = append(dst, ", Signature="...)
	dst = append(dst, signature...)
	dst = append(dst, "\r\nContent-Type: "+contentType+"\r\nX-Amz-Date: "...)
	dst = append(dst, s.date...)
	if s.credentials.SessionToken != "" {
		dst = append(dst, "\r\nX-Amz-Security-Token: "...)
		dst = append(dst, s.credentials.SessionToken...)
	}
	dst = append(dst, "\r\nX-Amz-Target: "+targetPrefix...)
	dst = append(dst, operation...)
	dst = append(dst, "\r\nAccept-Encoding: identity\r\n\r\n"...)
	return append(dst, body...)
}

// signature returns the hexadecimal signature, valid until the next call.
func (s *signer) signature(operation string, body []byte) []byte {
	c := append(s.canonical[:0], "POST\n/\n\ncontent-type:"+contentType+"\nhost:"...)
	c = append(c, s.host...)
	c = append(c, "\nx-amz-date:"...)
	c = append(c, s.date...)
	if s.credentials.SessionToken != "" {
		c = append(c, "\nx-amz-security-token:"...)
		c = append(c, s.credentials.SessionToken...)
	}
	c = append(c, "\nx-amz-target:"+targetPrefix...)
	c = append(c, operation...)
	c = append(c, "\n\n"...)
	c = append(c, s.signed...)
	c = append(c, '\n')
	s.sum = sha256.Sum256(body)
	c = hex.AppendEncode(c, s.sum[:])
	s.sum = sha256.Sum256(c)

	c = append(c[:0], "AWS4-HMAC-SHA256\n"...)
	c = append(c, s.date...)
	c = append(c, '\n')
	c = append(c, s.scope...)
	c = append(c, '\n')
	c = hex.AppendEncode(c, s.sum[:])
	s.canonical = c
	s.mac.Reset()
	s.mac.Write(c)
	hex.Encode(s.hex[:], s.mac.Sum(s.sum[:0]))
	return s.hex[:]
}

package engine

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"trent/loadgen/measure"
)

// Names under which hits without an answer of the API are counted, beside the exception names that the service sends.
const (
	nameTimeout       = "Timeout"
	nameReset         = "ConnectionReset"
	nameClosed        = "ConnectionClosed"
	nameTruncated     = "AnswerTruncated"
	nameMalformed     = "MalformedAnswer"
	nameRefused       = "ConnectionRefused"
	nameHandshake     = "TLSHandshakeFailed"
	nameCertificate   = "CertificateRefused" // the server's is not trusted, or not for this host
	nameNotTLS        = "NotTLS"             // something else came where a handshake was due
	nameSlowHandshake = "TLSHandshakeTimeout"
	nameSlowConnect   = "ConnectTimeout"
	nameConnect       = "ConnectFailed"
	nameConnection    = "ConnectionFailed"
	nameNoConnection  = "NoConnectionInTime"
	nameInterrupted   = "Interrupted"
	nameCap           = "RequestCap"
	// nameSDKClosed is an exchange whose connection the SDK's client closed by itself: it does so where an answer begins before it
	// has looked for the end of its own request.
	nameSDKClosed = "ClosedBySDK"
	nameSDK       = "SDKRefused" // the SDK would not send the call, for want of credentials for example
)

// faultOf sorts a failed exchange by what went wrong.
func faultOf(err error) (measure.Outcome, string) {
	switch {
	case errors.Is(err, errMalformed), errors.Is(err, io.ErrNoProgress):
		return measure.Malformed, nameMalformed
	case errors.Is(err, errTruncated):
		return measure.ConnError, nameTruncated
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return measure.ConnError, nameReset
	case errors.Is(err, errClosed), errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
		return measure.ConnError, nameClosed
	case isTimeout(err):
		return measure.Timeout, nameTimeout
	}
	return measure.ConnError, nameConnection
}

// connectFault names a connection that could not be made.
func connectFault(err error) string {
	var handshake *handshakeError
	var certificate *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	switch secured := errors.As(err, &handshake); {
	case secured && outOfTime(err):
		return nameSlowHandshake
	case errors.As(err, &certificate):
		return nameCertificate
	case errors.As(err, &notTLS):
		return nameNotTLS
	case secured:
		return nameHandshake
	case errors.Is(err, syscall.ECONNREFUSED):
		return nameRefused
	case outOfTime(err):
		return nameSlowConnect
	}
	if name := exhaustion(err); name != "" {
		return name
	}
	if name := exhaustion(err); name != "" {
		return name
	}
	return nameConnect
}

// connectOutcome sorts a connection that could not be made: for want of time, or otherwise.
func connectOutcome(err error) measure.Outcome {
	if outOfTime(err) {
		return measure.Timeout
	}
	return measure.ConnError
}

// outOfTime reports whether the time that the run gave was over.
func outOfTime(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// isTimeout reports whether time ran out.
func isTimeout(err error) bool {
	var network net.Error
	return outOfTime(err) || errors.As(err, &network) && network.Timeout()
}

// verdictOf sorts an answer. name is the exception's for what is not OK.
func verdictOf(a *answer) (measure.Outcome, []byte) {
	if a.status == 200 {
		return measure.OK, nil
	}
	name := errorType(a.body)
	if len(name) == 0 {
		name = statusName(a.status)
	}
	if a.status == 429 || throttles(name) {
		return measure.Throttled, name
	}
	return measure.Failed, name
}

// throttles lists the names by which AWS services refuse for too many requests, as the SDKs' standard retry mode does
// ("Retry behavior", AWS SDKs and Tools reference guide). LimitExceededException is not among them: it is a resource quota.
func throttles(name []byte) bool {
	switch string(name) {
	case "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottledException", "RequestThrottled",
		"TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded", "SlowDown", "PriorRequestNotComplete":
		return true
	}
	return false
}

// statusName is "HTTP" and the three digits, without allocation for the usual ones.
func statusName(status int) []byte {
	if name, ok := statusNames[status]; ok {
		return name
	}
	return []byte("HTTPOther")
}

var statusNames = func() map[int][]byte {
	all := map[int][]byte{}
	for status := 100; status < 600; status++ {
		all[status] = []byte{'H', 'T', 'T', 'P', byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)}
	}
	return all
}()

// errorType finds the exception's name in an error body: the string member "__type" of the outermost object, without a
// namespace before "#". Nil where there is none.
func errorType(body []byte) []byte {
	depth, key := 0, false
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{':
			depth++
			key = depth == 1
		case '[':
			depth++
			key = false
		case '}', ']':
			depth--
		case ',':
			key = depth == 1
		case ':':
			key = false
		case '"':
			end := stringEnd(body, i+1)
			if end < 0 {
				return nil
			}
			if key && string(body[i+1:end]) == "__type" {
				return typeValue(body[end+1:])
			}
			i = end
		}
	}
	return nil
}

// stringEnd is the index of the quote that ends a string whose text begins at from, −1 without one.
func stringEnd(body []byte, from int) int {
	for i := from; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// typeValue reads `: "namespace#Name"`. A name is what identifiers are made of; anything else is none.
func typeValue(rest []byte) []byte {
	i := 0
	for i < len(rest) && (rest[i] == ' ' || rest[i] == ':' || rest[i] == '\t' || rest[i] == '\r' || rest[i] == '\n') {
		i++
	}
	if i == len(rest) || rest[i] != '"' {
		return nil
	}
	end := stringEnd(rest, i+1)
	if end < 0 {
		return nil
	}
	name := rest[i+1 : end]
	for j, c := range name {
		if c == '#' {
			return identifier(name[j+1:])
		}
	}
	return identifier(name)
}

func identifier(name []byte) []byte {
	for _, c := range name {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '_' || c == '.' || c == '-') {
			return nil
		}
	}
	return name
}

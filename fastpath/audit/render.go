package audit

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// renderer appends records as JSON, in the order of fields that the service has (AWS CloudTrail User Guide, "CloudTrail
// record contents"; AWS KMS Developer Guide, "Logging AWS KMS API calls"). It remembers the text of the last second.
type renderer struct {
	second int64
	time   []byte
}

// eventTime appends a time in whole seconds.
func (r *renderer) eventTime(dst []byte, at int64) []byte {
	if r.time == nil || at != r.second {
		r.second, r.time = at, time.Unix(at, 0).UTC().AppendFormat(r.time[:0], "2006-01-02T15:04:05Z")
	}
	return append(dst, r.time...)
}

// record appends e.
func (r *renderer) record(dst []byte, e *Entry) []byte {
	dst = append(dst, `{"eventVersion":"1.11","userIdentity":`...)
	dst = appendIdentity(dst, e)
	dst = r.eventTime(append(dst, `,"eventTime":"`...), e.At.Unix())
	dst = append(append(dst, `","eventSource":"`...), e.EventSource...)
	dst = append(append(dst, `","eventName":"`...), e.EventName...)
	dst = append(append(dst, `","awsRegion":"`...), e.Region...)
	dst = append(dst, '"')
	dst = appendSource(dst, e)
	if e.ErrorCode != "" {
		dst = appendString(append(dst, `,"errorCode":`...), e.ErrorCode)
		if e.ErrorMessage != "" {
			dst = appendString(append(dst, `,"errorMessage":`...), cut(e.ErrorMessage, maxMessage))
		}
	}
	dst = appendElement(append(dst, `,"requestParameters":`...), "requestParameters", e.Parameters, maxElement)
	dst = appendElement(append(dst, `,"responseElements":`...), "responseElements", e.Response, maxElement)
	if len(e.Additional) > 0 {
		dst = appendElement(append(dst, `,"additionalEventData":`...), "additionalEventData", e.Additional, maxAdditional)
	}
	dst = appendID(dst, `,"requestID":"`, &e.RequestID)
	dst = appendID(dst, `,"eventID":"`, &e.EventID)
	dst = append(dst, `,"readOnly":`...)
	dst = strconv.AppendBool(dst, e.ReadOnly)
	dst = appendResources(dst, e)
	if e.ServiceEvent {
		dst = append(dst, `,"eventType":"AwsServiceEvent"`...)
	} else {
		dst = append(dst, `,"eventType":"AwsApiCall"`...)
	}
	dst = append(append(dst, `,"managementEvent":true,"recipientAccountId":"`...), e.Recipient...)
	dst = append(dst, '"')
	if len(e.Details) > 0 {
		dst = appendElement(append(dst, `,"serviceEventDetails":`...), "serviceEventDetails", e.Details, maxElement)
	}
	dst = appendID(dst, `,"sharedEventID":"`, &e.SharedEventID)
	if e.Endpoint != "" {
		dst = append(append(dst, `,"vpcEndpointId":"`...), e.Endpoint...)
		dst = append(append(dst, `","vpcEndpointAccountId":"`...), e.EndpointAccount...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"eventCategory":"Management"`...)
	return append(appendTLS(dst, e), '}')
}

func appendIdentity(dst []byte, e *Entry) []byte {
	switch {
	case len(e.UserIdentity) > 0:
		return append(dst, e.UserIdentity...)
	case e.Foreign:
		dst = appendString(append(dst, `{"type":"AWSAccount","principalId":`...), e.CallerID)
		return append(appendString(append(dst, `,"accountId":`...), e.Caller), '}')
	case e.CallerARN == "":
		dst = append(append(dst, `{"accountId":"`...), e.Recipient...)
		return append(dst, `","invokedBy":"AWS Internal"}`...)
	}
	dst = appendString(append(dst, `{"type":"Unknown","arn":`...), e.CallerARN)
	return append(appendString(append(dst, `,"accountId":`...), e.Caller), '}')
}

// appendSource appends where the request came from, and by what.
func appendSource(dst []byte, e *Entry) []byte {
	if e.Agent != "" {
		dst = appendString(append(dst, `,"sourceIPAddress":`...), e.Agent)
		return appendString(append(dst, `,"userAgent":`...), e.Agent)
	}
	dst = append(dst, `,"sourceIPAddress":"`...)
	if e.Address.IsValid() {
		dst = e.Address.WithZone("").AppendTo(dst)
	}
	dst = append(dst, `","userAgent":`...)
	if len(e.UserAgent) > maxAgent {
		return appendString(dst, cut(e.UserAgent, maxAgent))
	}
	return appendString(dst, e.UserAgent)
}

// appendElement appends JSON, or where it is larger than such an element may be, what stands for it.
func appendElement(dst []byte, name string, element []byte, limit int) []byte {
	switch {
	case len(element) == 0:
		return append(dst, "null"...)
	case len(element) <= limit:
		return append(dst, element...)
	}
	return appendOmitted(dst, name, len(element))
}

func appendOmitted(dst []byte, name string, size int) []byte {
	dst = strconv.AppendInt(append(dst, `{"omitted":true,"originalSize":`...), int64(size), 10)
	dst = append(append(dst, `,"reason":"`...), name...)
	return append(dst, ` too large"}`...)
}

func appendID(dst []byte, name string, id *[36]byte) []byte {
	if id[0] == 0 {
		return dst
	}
	dst = append(append(dst, name...), id[:]...)
	return append(dst, '"')
}

func appendResources(dst []byte, e *Entry) []byte {
	dst = append(dst, `,"resources":[`...)
	for i := range e.Resources[:e.Count] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, `{"accountId":"`...), e.Resources[i].Account...)
		dst = append(append(dst, `","type":"`...), resourceType(e.Resources[i].ARN)...)
		dst = appendString(append(dst, `","ARN":`...), e.Resources[i].ARN)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

func appendTLS(dst []byte, e *Entry) []byte {
	if e.TLSVersion == "" {
		return dst
	}
	dst = append(append(dst, `,"tlsDetails":{"tlsVersion":"`...), e.TLSVersion...)
	dst = append(append(dst, `","cipherSuite":"`...), e.CipherSuite...)
	dst = appendString(append(dst, `","clientProvidedHostHeader":`...), e.HostHeader)
	if e.KeyExchange != "" {
		dst = append(append(dst, `,"keyExchange":"`...), e.KeyExchange...)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// cut is the beginning of s, of at most n bytes, that ends with a whole character.
func cut[S string | []byte](s S, n int) S {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// resourceType is what a resource's type is called in records.
func resourceType(arn string) string {
	if strings.Contains(arn, ":role/") {
		return "AWS::IAM::Role"
	}
	return "AWS::KMS::Key"
}

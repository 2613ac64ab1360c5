// Package replay makes a load of CloudTrail logs: who called which operation of the key service with which key, when.
//
// Files (plain or gzip, alone or in the prefix layout that trails write to S3) are read once, as a stream: a log of any size
// needs memory for its distinct callers and keys and for the events of a reorder window, not for itself. The calls become a
// trace of arrivals on disk and a workload whose keys are ones made for the test. Times in CloudTrail are whole seconds, so arrivals
// within a second are drawn evenly, and nothing finer than a second can be concluded from a replay.
//
// Reading and mapping are pure but for the files; sending is loadgen/attack's. Nothing here starts a goroutine or is safe for
// concurrent use.
package replay

import (
	"fmt"
	"strings"
	"time"
)

// Event is one call to the key service as a log has it.
type Event struct {
	Time      time.Time // whole seconds
	Operation string    // of the API
	Service   string    // that called on somebody's behalf, such as "secretsmanager"; "" for a caller of its own
	Caller    string    // ARN of the role or user, without the session's name; the service where there is none
	Key       string    // ARN or ID; "" for calls without a key
	Spec      string    // of the key, as far as the request tells; "" where it does not
	Region    string
	Account   string // of the caller
	Error     string // exception; "" for a call that was answered well
	Context   bool   // an encryption context was given
}

// record is what is read of a CloudTrail record (AWS CloudTrail user guide, "CloudTrail record contents").
type record struct {
	EventTime    string `json:"eventTime"`
	EventSource  string `json:"eventSource"`
	EventName    string `json:"eventName"`
	EventType    string `json:"eventType"`
	AWSRegion    string `json:"awsRegion"`
	ErrorCode    string `json:"errorCode"`
	UserIdentity struct {
		ARN            string `json:"arn"`
		AccountID      string `json:"accountId"`
		InvokedBy      string `json:"invokedBy"`
		SessionContext struct {
			SessionIssuer struct {
				ARN string `json:"arn"`
			} `json:"sessionIssuer"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
	RequestParameters *parameters `json:"requestParameters"`
	Resources         []struct {
		ARN  string `json:"ARN"`
		Type string `json:"type"`
	} `json:"resources"`
}

// parameters are those that say which key, and of what kind.
type parameters struct {
	KeyID                     string         `json:"keyId"`
	SourceKeyID               string         `json:"sourceKeyId"`
	EncryptionAlgorithm       string         `json:"encryptionAlgorithm"`
	SourceEncryptionAlgorithm string         `json:"sourceEncryptionAlgorithm"`
	SigningAlgorithm          string         `json:"signingAlgorithm"`
	MacAlgorithm              string         `json:"macAlgorithm"`
	KeyPairSpec               string         `json:"keyPairSpec"`
	EncryptionContext         map[string]any `json:"encryptionContext"`
	SourceEncryptionContext   map[string]any `json:"sourceEncryptionContext"`
}

// source is the key service's name in a record.
const source = "kms.amazonaws.com"

// event translates a record; ok is false for those of other services and for what the service did by itself (rotation,
// deletion). Error: a time that is none.
func (r *record) event() (e Event, ok bool, err error) {
	if r.EventSource != source || r.EventType == "AwsServiceEvent" || r.EventName == "" {
		return e, false, nil
	}
	at, err := parseTime(r.EventTime)
	if err != nil {
		return e, false, err
	}
	e = Event{Time: at, Operation: r.EventName, Service: serviceOf(r.UserIdentity.InvokedBy), Caller: r.UserIdentity.SessionContext.SessionIssuer.ARN,
		Region: r.AWSRegion, Account: r.UserIdentity.AccountID, Error: r.ErrorCode}
	if e.Caller == "" {
		e.Caller = withoutSession(r.UserIdentity.ARN)
	}
	if e.Caller == "" {
		e.Caller = e.Service
	}
	if e.Caller == "" {
		e.Caller = "unknown"
	}
	for _, resource := range r.Resources {
		// Records of aliases name the alias first and the key after it.
		if resource.Type == "AWS::KMS::Key" && strings.Contains(resource.ARN, ":key/") {
			e.Key = resource.ARN
			break
		}
	}
	if p := r.RequestParameters; p != nil {
		if e.Key == "" {
			e.Key = p.KeyID + p.SourceKeyID
		}
		e.Spec = p.spec()
		e.Context = len(p.EncryptionContext)+len(p.SourceEncryptionContext) > 0
	}
	return e, true, nil
}

// parseTime reads CloudTrail's times, and the form without a zone into which log stores rewrite them.
func parseTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05"} { // fractions of a second are taken too
		if at, err := time.Parse(layout, text); err == nil {
			return at.Truncate(time.Second).UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2026-03-01T09:00:00Z", text[:min(len(text), 40)])
}

// timeline is a record of the short form: time, operation, the service or principal that called, context keys, key.
type timeline struct {
	T   string   `json:"t"`
	Op  string   `json:"op"`
	By  string   `json:"by"`
	Ctx []string `json:"ctx"`
	Key string   `json:"key"`
}

func (l *timeline) event() (Event, error) {
	at, err := parseTime(l.T)
	if err != nil {
		return Event{}, err
	}
	e := Event{Time: at, Operation: l.Op, Caller: l.By, Key: l.Key, Context: len(l.Ctx) > 0}
	if service := serviceOf(l.By); service != l.By {
		e.Service, e.Caller = service, service
	}
	if e.Caller == "" {
		e.Caller = "unknown"
	}
	return e, nil
}

// serviceOf shortens "secretsmanager.amazonaws.com" to its first part.
func serviceOf(invokedBy string) string {
	name, _, _ := strings.Cut(invokedBy, ".amazonaws.com")
	return strings.ReplaceAll(name, " ", "-")
}

// withoutSession cuts the session's name off an assumed role's ARN: sessions come and go.
func withoutSession(arn string) string {
	if i := strings.Index(arn, ":assumed-role/"); i >= 0 {
		if j := strings.LastIndexByte(arn, '/'); j > i+len(":assumed-role") {
			return arn[:j]
		}
	}
	return arn
}

// spec is the key spec that the algorithms of a request fit, the commonest where several do.
func (p *parameters) spec() string {
	encryption := p.EncryptionAlgorithm + p.SourceEncryptionAlgorithm
	switch {
	case p.KeyPairSpec != "":
		return p.KeyPairSpec
	case encryption == "SYMMETRIC_DEFAULT":
		return "SYMMETRIC_DEFAULT"
	case strings.HasPrefix(encryption, "RSAES"):
		return "RSA_2048"
	case encryption == "SM2PKE":
		return "SM2"
	case strings.HasPrefix(p.SigningAlgorithm, "RSASSA"):
		return "RSA_2048"
	case strings.HasPrefix(p.MacAlgorithm, "HMAC_SHA_"):
		return "HMAC_" + strings.TrimPrefix(p.MacAlgorithm, "HMAC_SHA_")
	}
	return signingSpecs[p.SigningAlgorithm]
}

var signingSpecs = map[string]string{"ECDSA_SHA_256": "ECC_NIST_P256", "ECDSA_SHA_384": "ECC_NIST_P384", "ECDSA_SHA_512": "ECC_NIST_P521",
	"ED25519_SHA_512": "ECC_NIST_EDWARDS25519", "ED25519_PH_SHA_512": "ECC_NIST_EDWARDS25519", "SM2DSA": "SM2", "ML_DSA_SHAKE_256": "ML_DSA_65"}

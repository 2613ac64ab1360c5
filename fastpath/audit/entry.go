package audit

import (
	"net/netip"
	"time"
)

// Entry is one request for the record, as the chain hands it over. Strings and UserIdentity are immutable and may be kept;
// the other byte slices are views that end when Record returns, and are copied.
type Entry struct {
	At           time.Time // real time
	EventSource  string    // "kms.amazonaws.com" or "sts.amazonaws.com"
	EventName    string
	Region       string
	UserIdentity []byte // JSON; immutable; empty: made of the next two
	CallerARN    string
	Caller       string // account
	CallerID     string // of Foreign records
	Foreign      bool   // the recipient sees the caller's account and id only
	Address      netip.Addr
	Agent        string // in place of address and user agent: "AWS Internal" or a service principal; empty: the caller's own
	UserAgent    []byte

	ErrorCode    string // empty: success
	ErrorMessage string // empty: left out

	Parameters []byte // JSON; empty: null
	Response   []byte // JSON; empty: null
	Additional []byte // JSON; empty: left out

	RequestID, EventID [36]byte // zero request id: left out
	SharedEventID      [36]byte // zero: left out
	ReadOnly           bool
	Resources          [3]Resource
	Count              int // of Resources

	Recipient                 string // account whose record it is
	Endpoint, EndpointAccount string // VPC endpoint; empty: none

	TLSVersion, CipherSuite, KeyExchange string // as records name them; empty version: plaintext
	HostHeader                           []byte

	ServiceEvent bool   // AwsServiceEvent: Details in place of request and response
	Details      []byte // serviceEventDetails as JSON; empty: left out
}

// Resource is one that a request was about.
type Resource struct{ ARN, Account string }

// Sizes in bytes that the fields of a record may have (AWS CloudTrail User Guide, "CloudTrail record contents").
const (
	maxAgent      = 1 << 10
	maxMessage    = 1 << 10
	maxElement    = 100 << 10 // request, response, service event details
	maxAdditional = 28 << 10
)

// trail is whose file a record goes to.
type trail struct{ account, region string }

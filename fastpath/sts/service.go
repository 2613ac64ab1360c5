package sts

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/hsm"
)

// version of the API.
const version = "2011-06-15"

// Options of a Service; all but Clock are required.
type Options struct {
	Directory *identity.Directory
	Keys      Keys
	Module    hsm.Module
	Clock     func() time.Time // real time; nil: time.Now
	// Pass is asked about what policies deny, and lets it pass by true; nil: denials are enforced.
	Pass func(r *authz.Request, refused *Error) bool
}

// Service makes temporary credentials and knows them again.
type Service struct {
	directory *identity.Directory
	sealer    sealer
	clock     func() time.Time
	table     *table
	interner  authz.Interner
	pass      func(*authz.Request, *Error) bool
}

// New makes a service.
func New(o Options) *Service {
	s := &Service{directory: o.Directory, sealer: sealer{keys: o.Keys, module: o.Module}, clock: o.Clock, table: newTable(), pass: o.Pass}
	if s.clock == nil {
		s.clock = time.Now
	}
	return s
}

// Call is one request.
type Call struct {
	Form      Form
	Caller    *identity.Credential // whose signature was verified; nil: the request is not signed
	Region    string               // of the credential scope, or the endpoint
	RequestID string
	JSON      bool // the client accepts JSON only

	Address            netip.Addr
	Secure             bool
	Endpoint           *authz.Endpoint // nil: not through a VPC endpoint
	Service            *identity.ServiceUse
	UserAgent, Referer []byte

	// Decided is told of each decision, whatever becomes of it; nil: nobody is.
	Decided func(r *authz.Request, d *authz.Decision)

	at         time.Time
	leastToken int // MinimumSessionTokenSize
	record     Record
}

// Actions are the operations that there are, in order.
func Actions() []string {
	return []string{
		"AssumeRole", "AssumeRoleWithWebIdentity", "GetAccessKeyInfo", "GetCallerIdentity", "GetFederationToken", "GetSessionToken",
	}
}

// NeedsSignature tells whether an operation is for signed requests only.
func NeedsSignature(action string) bool { return action != "AssumeRoleWithWebIdentity" }

// Serve answers a request: the answer is appended to dst. Refusals are appended too, and returned. The record is of every
// request that names an operation.
func (s *Service) Serve(ctx context.Context, c *Call, dst []byte) ([]byte, *Record, *Error) {
	c.at = s.clock().Truncate(time.Second)
	c.record = Record{Action: c.Form.Action(), ReadOnly: true}
	if c.Caller != nil {
		c.record.UserIdentity, c.record.Account = c.Caller.Principal.UserIdentity, c.Caller.Principal.Account
	}
	result, err := s.dispatch(ctx, c)
	if err != nil {
		refused := refusalOf(err)
		c.record.ErrorCode, c.record.ErrorMessage = refused.Code, refused.Message
		c.record.Trouble = troubleOf(err)
		c.record.Response = nil
		return AppendError(dst, refused, c.RequestID, c.JSON), &c.record, refused
	}
	return appendAnswer(dst, c.record.Action, c.RequestID, c.JSON, result), &c.record, nil
}

func (s *Service) dispatch(ctx context.Context, c *Call) ([]element, error) {
	action := c.Form.Action()
	var run func(context.Context, *Call) ([]element, error)
	switch action {
	case "":
		return nil, errMissingAction
	case "AssumeRole":
		run = s.assumeRole
	case "AssumeRoleWithWebIdentity":
		run = s.assumeRoleWithWebIdentity
	case "GetAccessKeyInfo":
		run = s.accessKeyInfo
	case "GetCallerIdentity":
		run = s.callerIdentity
	case "GetFederationToken":
		run = s.federationToken
	case "GetSessionToken":
		run = s.sessionToken
	}
	asked := "NO_VERSION_SPECIFIED"
	if v := c.Form.get("Version"); v != nil {
		asked = *v
	}
	if run == nil || asked != version {
		return nil, refusal(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", action, asked)
	}
	if NeedsSignature(action) && c.Caller == nil {
		return nil, errMissingToken
	}
	return run(ctx, c)
}

// Trouble is what is answered to an error that is not the caller's doing.
func Trouble(err error) *Error { return refusalOf(err) }

// refusalOf is what is answered to an error.
func refusalOf(err error) *Error {
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, hsm.ErrBusy), errors.Is(err, hsm.ErrUnavailable), errors.Is(err, hsm.ErrDeadline):
		return ErrUnavailable
	}
	return ErrInternal
}

// troubleOf is an error that is not the caller's doing.
func troubleOf(err error) error {
	var refused *Error
	if errors.As(err, &refused) && !refused.Receiver {
		return nil
	}
	return err
}

// issue makes the credentials of a session, and the elements of them and of the token's size. The session's claims are
// complete but for key and times.
func (s *Service) issue(ctx context.Context, c *Call, of *claims, lifetime time.Duration) (credentials element, size []element, err error) {
	var id string
	id, of.Secret = identity.NewAccessKey(identity.TemporaryKey, of.Account)
	of.Issued, of.Expires = c.at.Unix(), c.at.Add(lifetime).Unix()
	token, err := s.sealer.seal(ctx, id, of, c.leastToken)
	var large *sizeError
	if errors.As(err, &large) {
		return element{}, nil, tooLarge(of, large.percent)
	}
	if err != nil {
		return element{}, nil, err
	}
	c.record.issued(id, token, of.expires())
	credentials = parent("Credentials",
		leaf("AccessKeyId", id),
		leaf("SecretAccessKey", of.Secret),
		leaf("SessionToken", token),
		leaf("Expiration", of.expires().UTC().Format(time.RFC3339)),
	)
	return credentials, []element{
		leaf("SessionTokenSize", strconv.Itoa(len(token))),
		leaf("SessionTokenUtilization", strconv.Itoa(utilization(len(token)))),
	}, nil
}

// session is what a caller's temporary credentials were made with; nil: they are none that were made here.
func (c *Call) session() *claims {
	if c.Caller == nil {
		return nil
	}
	if s, ok := c.Caller.Session.(*Session); ok {
		return s.claims
	}
	return nil
}

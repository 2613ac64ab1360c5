package sts

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strings"
	"unicode/utf8"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
)

// Limits of what a session is given.
const (
	maxPolicyARNs  = 10
	maxTags        = 50
	maxPolicyText  = 2048 // characters, of policy and names together
	tagAllotment   = 459  // bytes; see the package comment
	packAllotment  = 2048 // bytes, deflated
	bytesPerTag    = 2
	maxTagName     = 128 // characters
	maxTagValue    = 256
	reservedPrefix = "aws:"
)

// sessionPolicies compiles what was passed; nil: nothing was. One that is gone allows nothing.
func (s *Service) sessionPolicies(snapshot *identity.Snapshot, c *claims) []*authz.Compiled {
	if c.Policy == "" && c.PolicyARNs == nil {
		return nil
	}
	out := []*authz.Compiled{}
	texts := []string{c.Policy}
	for _, arn := range c.PolicyARNs {
		text, _ := snapshot.PolicyText(arn)
		texts = append(texts, text)
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		if p, err := s.interner.Compile(authz.KindSession, []byte(text)); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// passed checks the session policies of a request.
func (s *Service) passed(snapshot *identity.Snapshot, account, partition, policy string, arns []string) *Error {
	if policy != "" {
		if _, err := s.interner.Compile(authz.KindSession, []byte(policy)); err != nil {
			var wrong *authz.Error
			if !json.Valid([]byte(policy)) || !errors.As(err, &wrong) {
				return malformedPolicy("The policy is not in the valid JSON format.")
			}
			return malformedPolicy("Syntax errors in policy. (line %d, column %d: %s)", wrong.Line, wrong.Column, wrong.Reason)
		}
	}
	for _, arn := range arns {
		part := strings.SplitN(arn, ":", 6)
		if len(part) != 6 || part[0] != "arn" || part[1] != partition || part[2] != "iam" || part[3] != "" || !strings.HasPrefix(part[5], "policy/") {
			return invalid("ARN %s is not valid.", arn)
		}
		if part[4] != "aws" && part[4] != account {
			return invalid("The managed session policy %s is not of the account of the session.", arn)
		}
		if _, ok := snapshot.PolicyText(arn); !ok {
			return invalid("Policy %s does not exist or is not attachable.", arn)
		}
	}
	return nil
}

// packed is PackedPolicySize of a session, which no longer limits anything and is shown as at most 100. 0: nothing was passed.
func packed(c *claims) (percent int) {
	tags := 0
	for _, t := range c.Tags {
		tags += len(t.Key) + len(t.Value) + bytesPerTag
	}
	size := 100 * float64(tags) / tagAllotment
	if c.Policy != "" || c.PolicyARNs != nil {
		var b bytes.Buffer
		if json.Compact(&b, []byte(c.Policy)) != nil {
			b.Reset()
		}
		b.WriteString(strings.Join(c.PolicyARNs, "\n"))
		size += 100 * float64(len(deflated(b.Bytes()))) / packAllotment
	}
	return min(share(size), 100)
}

func share(percent float64) int {
	if percent == 0 {
		return 0
	}
	return max(1, int(math.Round(percent)))
}

// tooLarge refuses a session whose token would be larger than tokens may be; percent is of that.
func tooLarge(of *claims, percent int) *Error {
	text := "Packed policy consumes %d%% of allotted space, please use smaller policy."
	if of.Policy == "" && of.PolicyARNs == nil {
		text = "Packed size of session tags consumes %d%% of allotted space."
	}
	return refusal(http.StatusBadRequest, "PackedPolicyTooLarge", text, percent)
}

// checkTags holds new tags and the transitive ones against each other and against what is inherited.
func checkTags(tags []authz.Tag, transitive []string, inherited []authz.Tag) *Error {
	for i, t := range tags {
		if strings.HasPrefix(strings.ToLower(t.Key), reservedPrefix) {
			return badParameter("System tags cannot be passed: tag keys may not begin with aws:.")
		}
		for _, other := range tags[:i] {
			if strings.EqualFold(t.Key, other.Key) {
				return badParameter("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
			}
		}
		if hasTag(inherited, t.Key) {
			return badParameter("One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, name := range transitive {
		if !hasTag(tags, name) && !hasTag(inherited, name) {
			return badParameter("The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

func hasTag(tags []authz.Tag, name string) bool {
	for _, t := range tags {
		if strings.EqualFold(t.Key, name) {
			return true
		}
	}
	return false
}

func hasName(names []string, name string) bool {
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func characters(s string) int { return utf8.RuneCountInString(s) }

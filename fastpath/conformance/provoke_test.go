package conformance_test

import (
	"strings"
	"testing"

	"trent/fastpath/keyring"
	"trent/fastpath/model"
	"trent/fastpath/quota"
	"trent/fastpath/servertest"
)

// provocation makes an operation answer an error.
type provocation func(p *provoker) servertest.Answer

// provoker is the server of one provocation, and the operation that is provoked.
type provoker struct {
	t  *testing.T
	s  *stateServer
	op string
}

// on makes a key of the operation's kind in a state, and the operation's well-formed request for it, changed.
func (p *provoker) on(state keyring.State, change func(c *cell, in object)) servertest.Answer {
	p.t.Helper()
	row, ok := stateRows()[p.op]
	if !ok {
		p.t.Fatalf("no request is known for %s", p.op)
	}
	c := &cell{t: p.t, s: p.s, on: row.on, saved: map[string]any{}}
	if !c.make(state, row.setup) {
		p.t.Skip("no such key in this version")
	}
	in := c.request(p.op, row)
	if change != nil {
		change(c, in)
	}
	return p.send(in)
}

func (p *provoker) send(in object) servertest.Answer {
	p.t.Helper()
	return p.s.Call(p.t, p.op, marshal(p.t, in))
}

// enabled is on, for the plain case.
func enabled(change func(c *cell, in object)) provocation {
	return func(p *provoker) servertest.Answer { return p.on(keyring.Enabled, change) }
}

// with changes members of a request.
func with(members object) provocation {
	return enabled(func(_ *cell, in object) {
		for name, v := range members {
			in[name] = v
		}
	})
}

// just is a request of its own.
func just(in object) provocation {
	return func(p *provoker) servertest.Answer { return p.send(in) }
}

// nameOfKey is the member that names the key, where it is another than KeyId.
var nameOfKey = map[string]string{"CreateAlias": "TargetKeyId", "UpdateAlias": "TargetKeyId", "ReEncrypt": "DestinationKeyId"}

func keyMember(op string) string {
	if name := nameOfKey[op]; name != "" {
		return name
	}
	return "KeyId"
}

// another puts a key of another kind in the place of the row's.
func another(spec, usage string) provocation {
	return enabled(func(c *cell, in object) {
		other := c.call("CreateKey", object{"KeySpec": spec, "KeyUsage": usage})
		in[keyMember(c.op)] = keyIDOf(other)
	})
}

// generally are the provocations that work alike for all operations on keys.
func generally(op, code string) provocation {
	switch code {
	case "NotFoundException":
		return enabled(func(_ *cell, in object) { in[keyMember(op)] = absentID })
	case "InvalidArnException":
		return enabled(func(_ *cell, in object) { in["KeyId"] = "arn:aws:kms" })
	case "DisabledException":
		return func(p *provoker) servertest.Answer { return p.on(keyring.Disabled, nil) }
	case "KMSInvalidStateException":
		return func(p *provoker) servertest.Answer { return p.on(keyring.PendingDeletion, nil) }
	case "InvalidGrantTokenException":
		return with(object{"GrantTokens": []string{"x"}})
	case "DryRunOperationException":
		return with(object{"DryRun": true})
	case "InvalidKeyUsageException":
		if op == "GenerateMac" || op == "VerifyMac" {
			return another("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
		}
		return another("HMAC_256", "GENERATE_VERIFY_MAC")
	case "InvalidMarkerException":
		return enabled(func(_ *cell, in object) { in["Marker"] = "x" })
	case "TagException":
		return with(object{"Tags": []object{{"TagKey": "aws:a", "TagValue": ""}}})
	case "MalformedPolicyDocumentException":
		return with(object{"Policy": "{"})
	}
	return nil
}

// limitedTo is a server with one quota, and the request that goes beyond it.
func limitedTo(r quota.Resource, n int, beyond func(p *provoker) servertest.Answer) provocation {
	return func(p *provoker) servertest.Answer {
		all := quota.Default()
		all[r] = n
		p.s = newStateServerWith(p.t, servertest.Options{Quotas: &all})
		return beyond(p)
	}
}

// twice sends the operation's request for one key until it is refused, at most three times.
func twice(change func(c *cell, in object, n int)) func(p *provoker) servertest.Answer {
	return func(p *provoker) servertest.Answer {
		n := 0
		return p.on(keyring.Enabled, func(c *cell, in object) {
			for ; n < 2; n++ {
				if change != nil {
					change(c, in, n)
				}
				p.send(in)
			}
			if change != nil {
				change(c, in, n)
			}
		})
	}
}

// TestErrors: each modeled error of each operation is provoked by a request, or it is said how else, or why not.
func TestErrors(t *testing.T) {
	t.Parallel()
	s := newStateServer(t)
	own, other := provocations(), notProvoked()
	for _, op := range model.Operations() {
		if !s.has[op.Name] {
			continue
		}
		for _, code := range op.Errors {
			name := op.Name + "/" + strings.TrimSuffix(code, "Exception")
			how, special := own[name]
			why, listed := other[name]
			if !listed {
				why, listed = other["*/"+strings.TrimSuffix(code, "Exception")]
				listed = listed && !special
			}
			if !special {
				how = generally(op.Name, code)
			}
			switch {
			case listed && special:
				t.Errorf("%s is provoked and listed as not: %s", name, why)
			case listed:
			case how == nil:
				t.Errorf("%s is neither provoked nor listed", name)
			default:
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					a := how(&provoker{t: t, s: s, op: op.Name})
					if got, text := refusalOf(t, a); got != code {
						t.Errorf("%d %s %q", a.Status, got, text)
					}
				})
			}
		}
	}
}

package operation

import (
	"strconv"
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/wire"
)

// Values implements authz.Facts for the question that is being decided. What it appends are views that end with the
// call; a store that does not answer becomes the trouble of asking.
func (c *Call) Values(dst []string, key authz.Key, name string) ([]string, bool) {
	if only := factActions[key]; only != nil && !only.has(c.asked.Action) {
		return dst, false
	}
	switch key { // those that may have several
	case authz.KeyKMSEncryptionContext:
		return c.contextValues(dst, name)
	case authz.KeyKMSEncryptionContextKeys:
		return c.contextNames(dst)
	case authz.KeyTagKeys:
		return c.tagKeys(dst)
	case authz.KeyRequestTag:
		return c.requestTag(dst, name)
	case authz.KeyResourceTag:
		return c.resourceTag(dst, name)
	case authz.KeyKMSResourceAliases:
		return c.resourceAliases(dst)
	case authz.KeyKMSGrantOperations:
		return c.grantedOperations(dst)
	case authz.KeySourceOrgPaths:
		_, paths := c.organization(c.sourceAccount())
		return append(dst, paths...), len(paths) > 0
	case authz.KeyResourceOrgPaths:
		_, paths := c.organization(c.asked.ResourceAccount)
		return append(dst, paths...), len(paths) > 0
	case authz.KeyCalledVia:
		if via := c.calledVia(); len(via) > 0 {
			return append(dst, via...), true
		}
		return dst, false
	}
	v, ok := c.global(key)
	if !ok {
		v, ok = c.requested(key, name)
	}
	if !ok {
		v, ok = c.keyFact(key)
	}
	if !ok {
		return dst, false
	}
	return append(dst, v), true
}

// global is a key that any service's requests have (IAM User Guide, "AWS global condition context keys").
func (c *Call) global(key authz.Key) (string, bool) {
	o := &c.Origin
	switch key {
	case authz.KeyCurrentTime:
		return c.text(func(b []byte) []byte { return o.At.UTC().AppendFormat(b, "2006-01-02T15:04:05Z") }), true
	case authz.KeyEpochTime:
		return c.number(o.At.Unix()), true
	case authz.KeySourceIp:
		return c.from(o.Endpoint == nil && c.Caller.Type != authz.CallerService)
	case authz.KeyVpcSourceIp:
		return c.from(o.Endpoint != nil)
	case authz.KeySecureTransport:
		return truth(o.Secure), true
	case authz.KeyRequestedRegion:
		return c.asking.region, true
	case authz.KeyUserAgent:
		return view(o.UserAgent), o.UserAgent != nil
	case authz.KeyReferer:
		return view(o.Referer), o.Referer != nil
	case authz.KeyViaAWSService:
		return truth(c.via() != nil), true
	case authz.KeyCalledViaFirst:
		if via := c.calledVia(); len(via) > 0 {
			return via[0], true
		}
	case authz.KeyCalledViaLast:
		if via := c.calledVia(); len(via) > 0 {
			return via[len(via)-1], true
		}
	case authz.KeySourceArn:
		if o.Service != nil {
			return o.Service.SourceARN, o.Service.SourceARN != ""
		}
	case authz.KeySourceAccount:
		return c.sourceAccount(), c.sourceAccount() != ""
	case authz.KeyResourceOrgID:
		id, _ := c.organization(c.asked.ResourceAccount)
		return id, id != ""
	case authz.KeySourceOrgID:
		id, _ := c.organization(c.sourceAccount())
		return id, id != ""
	case authz.KeyKMSCallerAccount:
		return c.Caller.Account, c.Caller.Account != ""
	case authz.KeyKMSViaService:
		return c.viaService()
	case authz.KeyKMSGrantIsForAWSResource:
		return truth(c.via() != nil), true
	}
	return "", false
}

func (c *Call) from(present bool) (string, bool) {
	if !present || !c.Origin.Address.IsValid() {
		return "", false
	}
	return c.text(func(b []byte) []byte { return c.Origin.Address.Unmap().WithZone("").AppendTo(b) }), true
}

// via is the service that calls for the caller, nil if none does: a service principal calls for itself.
func (c *Call) via() *identity.ServiceUse {
	if c.Caller.Type == authz.CallerService {
		return nil
	}
	return c.Origin.Service
}

func (c *Call) calledVia() []string {
	if s := c.via(); s != nil {
		return s.CalledVia
	}
	return nil
}

// viaService is the calling service's endpoint, such as "ec2.us-east-1.amazonaws.com" of "ec2.amazonaws.com".
func (c *Call) viaService() (string, bool) {
	s := c.via()
	if s == nil {
		return "", false
	}
	suffix := ".amazonaws.com"
	name, _, _ := strings.Cut(s.Principal, suffix)
	if c.Scope.Partition == chinaPartition {
		suffix += ".cn"
	}
	return c.text(func(b []byte) []byte {
		b = append(append(b, strings.TrimSuffix(name, "."+c.Scope.Region)...), '.')
		return append(append(b, c.Scope.Region...), suffix...)
	}), true
}

// sourceAccount is the account of what a calling service works on; empty: not said.
func (c *Call) sourceAccount() string {
	if c.Origin.Service == nil {
		return ""
	}
	return c.Origin.Service.SourceAccount
}

// organization is the one of an account.
func (c *Call) organization(account string) (id string, paths []string) {
	if of := c.asking.service.principals.Organization; of != nil && account != "" {
		return of(c.asked.Partition, account)
	}
	return "", nil
}

func truth(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// text is what f appends, for as long as the call lasts. f does not escape.
func (c *Call) text(f func([]byte) []byte) string {
	from := len(c.texts)
	c.texts = f(c.texts)
	return view(c.texts[from:])
}

func (c *Call) number(n int64) string {
	from := len(c.texts)
	c.texts = strconv.AppendInt(c.texts, n, 10)
	return view(c.texts[from:])
}

// requestTags are the tags that the request gives to a key.
func (c *Call) requestTags() []wire.Tag {
	switch r := c.Request.(type) {
	case *wire.CreateKeyRequest:
		return r.Tags
	case *wire.TagResourceRequest:
		return r.Tags
	case *wire.ReplicateKeyRequest:
		return r.Tags
	}
	return nil
}

func (c *Call) tagKeys(dst []string) ([]string, bool) {
	n := len(dst)
	for _, t := range c.requestTags() {
		dst = append(dst, view(t.TagKey))
	}
	if r, ok := c.Request.(*wire.UntagResourceRequest); ok {
		for _, key := range r.TagKeys {
			dst = append(dst, view(key))
		}
	}
	return dst, len(dst) > n
}

// requestTag is the value of a tag. Names of condition keys do not differ by case, and so tags that do are not told apart.
func (c *Call) requestTag(dst []string, name string) ([]string, bool) {
	n := len(dst)
	for _, t := range c.requestTags() {
		if strings.EqualFold(view(t.TagKey), name) {
			dst = append(dst, view(t.TagValue))
		}
	}
	return dst, len(dst) > n
}

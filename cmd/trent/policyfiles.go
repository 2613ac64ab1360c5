package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trent/fastpath"
	"trent/fastpath/authz"
	"trent/fastpath/operation"
)

// simulateFiles are the policies of a simulation without a server.
type simulateFiles struct {
	key, boundary, endpoint                            string
	identity, session, serviceControl, resourceControl []string
}

func (f *simulateFiles) any() bool {
	return f.key+f.boundary+f.endpoint != "" || len(f.identity)+len(f.session)+len(f.serviceControl)+len(f.resourceControl) > 0
}

// exampleKey is whom a simulation is about that names no key.
const exampleKey = "key/1234abcd-12ab-34cd-56ef-1234567890ab"

// simulate decides by the files alone.
func (f *simulateFiles) simulate(e *environment, q *fastpath.SimulateQuery, now time.Time) (*fastpath.Simulated, error) {
	action, err := q.ActionNamed()
	if err != nil {
		return nil, usageError(err, "")
	}
	given, err := q.Given()
	if err != nil {
		return nil, usageError(err, "")
	}
	caller, err := authz.CallerOf(q.Principal)
	if err != nil {
		return nil, usageError(err, "")
	}
	r := &authz.Request{Action: action, Caller: given.Caller(caller, now), Partition: caller.Partition, Endpoint: given.Endpoint()}
	var out fastpath.Simulated
	if err := f.resource(e, q, r, &out); err != nil {
		return nil, err
	}
	if err := f.attach(e, r); err != nil {
		return nil, err
	}
	region := strings.SplitN(r.Resource, ":", 6)[3]
	if given.Next, err = simulatedFacts(q, action, region, now); err != nil {
		return nil, usageError(err, "")
	}
	r.Facts = given
	out.Explanation = authz.Explain(r)
	return &out, nil
}

// resource fills in what the action is done on, and the policy that this has.
func (f *simulateFiles) resource(e *environment, q *fastpath.SimulateQuery, r *authz.Request, out *fastpath.Simulated) error {
	start := "arn:" + r.Partition + ":kms:" + q.Region + ":" + r.Caller.Account + ":"
	onAlias := operation.OnAlias(r.Action) && strings.Contains(q.Resource, "alias/")
	onKey := operation.OnKey(r.Action) && !onAlias
	switch name := q.Resource; {
	case strings.HasPrefix(name, "arn:"):
		r.Resource = name
	case onAlias:
		r.Resource = start + name
	case !onKey:
		r.Resource = start + "*"
	case strings.HasPrefix(name, "alias/"):
		return usageError(errors.New("without a server nobody knows what key an alias is of"), "give the key's ARN as --resource, and the alias as --condition kms:RequestAlias="+name)
	case r.Caller.Account == "" && name == "":
		return usageError(errors.New("a service has no keys of its own"), "give the key's ARN as --resource")
	case name == "":
		r.Resource = start + exampleKey
		out.Notes = append(out.Notes, "no key was named: one of the principal's account is meant")
	default:
		r.Resource = start + "key/" + name
	}
	part := strings.SplitN(r.Resource, ":", 6)
	if len(part) != 6 || part[2] != "kms" || onKey && !strings.HasPrefix(part[5], "key/") {
		return usageError(fmt.Errorf("%q is not the ARN of a key", q.Resource), "it is such as arn:aws:kms:us-east-1:111122223333:"+exampleKey)
	}
	r.ResourceAccount = part[4]
	var err error
	switch {
	case !onKey && f.key != "":
		out.Notes = append(out.Notes, r.Action.String()+" is decided by identity policies alone: the key policy is not asked")
	case !onKey:
	case f.key != "":
		r.Policy, err = e.compilePolicy(authz.KindKey, f.key)
	default:
		text := []byte(authz.DefaultPolicy(part[1], part[4]))
		r.Policy, err = new(authz.Interner).Compile(authz.KindKey, text)
		out.Notes = append(out.Notes, "no key policy was given: the default one is taken, which leaves it to the account's identity policies")
	}
	return err
}

// attach gives the caller and the resource's account their policies.
func (f *simulateFiles) attach(e *environment, r *authz.Request) error {
	own := &r.Caller.Policies
	var errs []error
	one := func(kind authz.Kind, name string) *authz.Compiled {
		if name == "" {
			return nil
		}
		c, err := e.compilePolicy(kind, name)
		errs = append(errs, err)
		return c
	}
	several := func(kind authz.Kind, names []string) (list []*authz.Compiled) {
		for _, name := range names {
			list = append(list, one(kind, name))
		}
		return list
	}
	own.Identity, own.Boundary, own.Session = several(authz.KindIdentity, f.identity), one(authz.KindBoundary, f.boundary), several(authz.KindSession, f.session)
	if f.serviceControl != nil {
		own.ServiceControl = [][]*authz.Compiled{several(authz.KindServiceControl, f.serviceControl)}
	}
	if f.resourceControl != nil {
		r.ResourceControl = [][]*authz.Compiled{several(authz.KindResourceControl, f.resourceControl)}
	}
	if f.endpoint != "" {
		if r.Endpoint == nil {
			r.Endpoint = &authz.Endpoint{ID: "vpce-1234567890abcdef0", VPC: "vpc-1234567890abcdef0"}
		}
		r.Endpoint.Policy = one(authz.KindEndpoint, f.endpoint)
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// compilePolicy reads a policy that must keep to the grammar.
func (e *environment) compilePolicy(kind authz.Kind, name string) (*authz.Compiled, error) {
	text, err := e.readPolicy(name)
	if err != nil {
		return nil, usageError(fmt.Errorf("reading a policy: %w", err), "")
	}
	parsed, err := authz.Parse(kind, text)
	if err != nil {
		at := slices.IndexFunc(policyKinds, func(k struct {
			name string
			kind authz.Kind
		}) bool {
			return k.kind == kind
		})
		return nil, usageError(fmt.Errorf("%s: %w", name, err), "'trent policy check --kind "+policyKinds[at].name+" "+name+"' says more")
	}
	return authz.Compile(kind, text, parsed), nil
}

// simulatedFacts are what any request has, and its encryption context.
func simulatedFacts(q *fastpath.SimulateQuery, action authz.Action, region string, now time.Time) (authz.Facts, error) {
	g := &authz.Given{}
	facts := [][2]string{
		{"aws:CurrentTime", now.UTC().Format(time.RFC3339)}, {"aws:EpochTime", strconv.FormatInt(now.Unix(), 10)}, {"aws:SecureTransport", "true"},
		{"aws:RequestedRegion", region}, {"aws:ViaAWSService", "false"},
	}
	switch action {
	case authz.ActionCreateGrant, authz.ActionListGrants, authz.ActionRevokeGrant:
		facts = append(facts, [2]string{"kms:GrantIsForAWSResource", "false"})
	}
	for name, value := range q.Context {
		if name == "" {
			return nil, errors.New("a name of the encryption context is empty")
		}
		facts = append(facts, [2]string{"kms:EncryptionContext:" + name, value}, [2]string{"kms:EncryptionContextKeys", name})
	}
	for _, f := range facts {
		if err := g.Give(f[0], f[1]); err != nil {
			return nil, err
		}
	}
	return g, nil
}

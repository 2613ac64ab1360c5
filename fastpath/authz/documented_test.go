package authz_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trent/fastpath/authz"
	"trent/fastpath/authz/authztest"
)

// example is a case of testdata/documented: policies and what they are to say.
type example struct {
	Comment  string
	Policies map[string]struct {
		Kind     string
		Document json.RawMessage
	}
	Cases []struct {
		Who      string // name of a caller: user, session, root, foreign, service
		Action   string
		Resource string   // empty: the key
		With     []string // names of the policies that bear on it
		Facts    map[string][]string
		Tags     map[string]string // of the caller
		Org      string
		Endpoint string // id of the VPC endpoint
		MFA      bool
		Allowed  bool
	}
}

var exampleKinds = map[string]authz.Kind{
	"key": authz.KindKey, "identity": authz.KindIdentity, "boundary": authz.KindBoundary, "session": authz.KindSession,
	"scp": authz.KindServiceControl, "rcp": authz.KindResourceControl, "endpoint": authz.KindEndpoint,
}

// TestDocumentedExamples: scenarios of the IAM User Guide and the AWS KMS Developer Guide, decided as these say, by the
// engine and by the reference.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/documented/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var x example
			d := json.NewDecoder(strings.NewReader(string(text)))
			d.DisallowUnknownFields()
			if err := d.Decode(&x); err != nil {
				t.Fatal(err)
			}
			for name, p := range x.Policies {
				for _, f := range authz.Lint(exampleKinds[p.Kind], p.Document, authz.LintOptions{Account: account}) {
					if f.Severity == authz.Failure && f.Code != "lockout" { // examples are parts of policies
						t.Errorf("%s: %+v", name, f)
					}
				}
			}
			for i := range x.Cases {
				r := x.request(t, i)
				got, want := authz.Decide(r), x.Cases[i].Allowed
				if reference := authztest.Evaluate(r); got.Allowed != want || reference.Allowed != want {
					t.Errorf("case %d: %s %s with %v: allowed %v, by the reference %v, want %v (%+v)", i, x.Cases[i].Who, x.Cases[i].Action, x.Cases[i].With, got.Allowed, reference.Allowed, want, got)
				}
			}
		})
	}
}

func (x *example) request(t *testing.T, i int) *authz.Request {
	t.Helper()
	c := &x.Cases[i]
	var who *authz.Caller
	switch c.Who {
	case "root":
		who = rootUser()
	case "user":
		who = user()
	case "session":
		who = session()
	case "foreign":
		who = foreign()
	default:
		who = service(c.Who)
	}
	who.OrgID = c.Org
	for k, v := range c.Tags {
		who.Tags = append(who.Tags, authz.Tag{Key: k, Value: v})
	}
	if c.MFA {
		who.MFA, who.Temporary = 1700000000, true
	}
	r := request(who, nil)
	r.Action = authz.ActionNamed(c.Action)
	if r.Action == authz.ActionNone {
		t.Fatalf("case %d: no action %q", i, c.Action)
	}
	if c.Resource != "" {
		r.Resource = c.Resource
	}
	known := facts{}
	for k, v := range c.Facts {
		known[strings.ToLower(k)] = v
	}
	r.Facts = known
	if c.Endpoint != "" {
		r.Endpoint = &authz.Endpoint{ID: c.Endpoint, VPC: "vpc-0a1b"}
	}
	for _, name := range c.With {
		p, ok := x.Policies[name]
		if !ok {
			t.Fatalf("case %d: no policy %q", i, name)
		}
		kind := exampleKinds[p.Kind]
		policy := document(t, kind, string(p.Document))
		switch own := &who.Policies; kind {
		case authz.KindKey:
			r.Policy = policy
		case authz.KindIdentity:
			own.Identity = append(own.Identity, policy)
		case authz.KindBoundary:
			own.Boundary = policy
		case authz.KindSession:
			own.Session = append(own.Session, policy)
		case authz.KindServiceControl:
			own.ServiceControl = [][]*authz.Compiled{{document(t, kind, everythingAllowed), policy}}
		case authz.KindResourceControl:
			full := strings.Replace(everythingAllowed, `"Action"`, `"Principal":"*","Action"`, 1)
			r.ResourceControl = [][]*authz.Compiled{{document(t, kind, full), policy}}
		case authz.KindEndpoint:
			r.Endpoint.Policy = policy
		}
	}
	return r
}

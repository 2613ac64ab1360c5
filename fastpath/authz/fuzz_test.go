package authz_test

import (
	"errors"
	"strings"
	"testing"

	"trent/fastpath/authz"
)

// Whatever is accepted as a policy of any kind can be compiled, decides without trouble, and is explained as it decides.
func FuzzDecide(f *testing.F) {
	f.Add(uint8(authz.KindKey), authz.DefaultPolicy("aws", account), "s3")
	f.Add(uint8(authz.KindKey), statement(byRole+`},{`+denyUse+`,"NotPrincipal":{"AWS":["`+roleARN+`","`+account+`"]}`), "")
	f.Add(uint8(authz.KindIdentity), `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"arn:aws:k*s:*:${aws:PrincipalTag/a, '*'}:key/?*",
		"Condition":{"StringLike":{"kms:ViaService":"${kms:ViaService}*${?}"},"ForAllValues:StringNotEquals":{"kms:ViaService":["a","b","c","d","e"]}}}}`, "x?")
	f.Add(uint8(authz.KindBoundary), statement(`"Effect":"Allow","NotAction":"kms:?ncrypt","NotResource":"arn:aws:*3:::*",
		"Condition":{"NumericLessThan":{"kms:ViaService":[1,"1e9",-0.5]},"DateLessThan":{"kms:ViaService":["2026-01-01","1","2026-06-01T00:00:00.5+01:00"]}}`), "12")
	f.Add(uint8(authz.KindSession), statement(allowUse+`,"Condition":{"ArnLikeIfExists":{"kms:ViaService":"arn:*:s3:::${*}"},"IpAddress":{"kms:ViaService":["10.0.0.0/8","::1"]},"BinaryEquals":{"kms:ViaService":"AA=="}}`), "arn:aws:s3:::*")
	f.Add(uint8(authz.KindEndpoint), statement(allowUse+`,"Principal":"*","Condition":{"Bool":{"kms:ViaService":"true"},"Null":{"kms:ViaService":"false"}}`), "TRUE")
	f.Add(uint8(authz.KindServiceControl), `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringNotEqualsIgnoreCase":{"kms:ViaService":"${aws:username}"}}}}`, "ALICE")
	f.Add(uint8(authz.KindResourceControl), `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}`, "")
	f.Add(uint8(authz.KindTrust), statement(`"Effect":"Allow","Principal":{"Federated":"x"},"Action":"*"`), "")
	f.Fuzz(func(t *testing.T, kind uint8, text, value string) {
		k := authz.Kind(kind)
		if k < authz.KindKey || k > authz.KindTrust || len(text) > 4096 {
			return
		}
		p, err := authz.Parse(k, []byte(text))
		if err != nil {
			var pe *authz.Error
			if !errors.As(err, &pe) || pe.Line < 1 || pe.Column < 1 || pe.Line > 1+strings.Count(text, "\n") {
				t.Errorf("%q: %#v", text, err)
			}
			return
		}
		c := authz.Compile(k, []byte(text), p)
		for _, who := range []*authz.Caller{user(), session(), rootUser(), foreign()} {
			r := request(who, compiled(t, authz.KindKey, byAccount))
			r.Facts = facts{"kms:viaservice": {value}}
			switch own := &who.Policies; k {
			case authz.KindKey, authz.KindTrust:
				r.Policy = c
			case authz.KindIdentity:
				own.Identity = []*authz.Compiled{c}
			case authz.KindBoundary:
				own.Boundary = c
			case authz.KindSession:
				own.Session = []*authz.Compiled{c}
			case authz.KindServiceControl:
				own.ServiceControl = [][]*authz.Compiled{{c}}
			case authz.KindResourceControl:
				r.ResourceControl = [][]*authz.Compiled{{c}}
			default:
				r.Endpoint = &authz.Endpoint{Policy: c}
			}
			d := authz.Decide(r)
			if again := authz.Decide(r); again != d {
				t.Errorf("%q: %+v, then %+v", text, d, again)
			}
			if e := authz.Explain(r); e.Decision != d || strings.HasPrefix(e.Steps[len(e.Steps)-1].Outcome, "allowed") != d.Allowed {
				t.Errorf("%q: %+v, but %+v", text, d, e.Steps)
			}
		}
	})
}

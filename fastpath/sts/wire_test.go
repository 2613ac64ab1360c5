package sts_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"trent/fastpath/servertest"
)

func form(body string) servertest.Request {
	return servertest.Request{
		Service: "sts", Body: body, AccessKeyID: "AKIAALICE", Secret: "alice-secret",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
	}
}

const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15"

func TestAnswersOnTheWire(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{Regions: []string{"us-east-1", "eu-west-1", "cn-north-1"}})
	edit := func(r servertest.Request, f func(*servertest.Request)) servertest.Request { f(&r); return r }
	for name, c := range map[string]struct {
		request servertest.Request
		status  int
		want    string
	}{
		"form": {form(whoAmI), 200, `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::111122223333:user/alice</Arn>
    <UserId>AIDA`},
		"query":     {edit(form(""), func(r *servertest.Request) { r.Method, r.Path = "GET", "/?"+whoAmI }), 200, "<Account>111122223333</Account>"},
		"presigned": {edit(form(""), func(r *servertest.Request) { r.Method, r.Path, r.Presigned = "GET", "/?"+whoAmI, true }), 200, "<Account>111122223333</Account>"},
		"JSON": {edit(form(whoAmI), func(r *servertest.Request) { r.Header = r.Header.Clone(); r.Header.Set("Accept", "application/json") }), 200,
			`{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Arn":"arn:aws:iam::111122223333:user/alice","UserId":"AIDA`},
		"another Region":  {edit(form(whoAmI), func(r *servertest.Request) { r.Region = "eu-west-1" }), 200, "111122223333"},
		"disabled Region": {edit(form(whoAmI), func(r *servertest.Request) { r.Region = "eu-west-3" }), 403, "<Code>RegionDisabledException</Code>"},
		"unknown Region":  {edit(form(whoAmI), func(r *servertest.Request) { r.Region = "mars-1" }), 403, "<Code>SignatureDoesNotMatch</Code>"},
		"other partition": {edit(form(whoAmI), func(r *servertest.Request) { r.Region = "cn-north-1" }), 403, "<Code>InvalidClientTokenId</Code>"},
		"10 minutes old":  {edit(form(whoAmI), func(r *servertest.Request) { r.Time = time.Now().Add(-10 * time.Minute) }), 200, "111122223333"},
		"16 minutes old":  {edit(form(whoAmI), func(r *servertest.Request) { r.Time = time.Now().Add(-16 * time.Minute) }), 403, "- 15 min.)"},
		"unsigned": {edit(form(whoAmI), func(r *servertest.Request) { r.Unsigned = true }), 403, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>MissingAuthenticationToken</Code>
    <Message>Request is missing Authentication Token</Message>
  </Error>
  <RequestId>`},
		"for KMS":     {edit(form(whoAmI), func(r *servertest.Request) { r.Service = "kms" }), 403, "Credential should be scoped to correct service: 'sts'."},
		"unknown key": {edit(form(whoAmI), func(r *servertest.Request) { r.AccessKeyID = "AKIANOBODY" }), 403, "<Code>InvalidClientTokenId</Code>"},
		"no action":   {form("Version=2011-06-15"), 400, "<Code>MissingAction</Code>"},
		"other action": {form("Action=Foo&Version=2011-06-15"), 400,
			"<Message>Could not find operation Foo for version 2011-06-15</Message>"},
		"no version":    {form("Action=GetCallerIdentity"), 400, "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"},
		"other version": {form("Action=GetCallerIdentity&Version=2010-01-01"), 400, "<Code>InvalidAction</Code>"},
		"given twice":   {form(whoAmI + "&Action=x"), 404, "<Code>MalformedQueryString</Code>"},
		"misencoded":    {form(whoAmI + "&a=%zz"), 404, "<Code>MalformedQueryString</Code>"},
		"nothing given": {form("Action=AssumeRole&Version=2011-06-15"), 400,
			"2 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		"bad session name": {form("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:role/x&RoleSessionName=a+b"), 400,
			`1 validation error detected: Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		"no role's ARN": {form("Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:user/x&RoleSessionName=ab"), 400,
			"<Message>arn:aws:iam::111122223333:user/x is invalid</Message>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.Do(t, c.request)
			if a.Status != c.status || !strings.Contains(a.Body, c.want) {
				t.Errorf("%d %s\nwant %d …%s…", a.Status, a.Body, c.status, c.want)
			}
			id := a.Header.Get("x-amzn-RequestId")
			kind := "text/xml"
			if strings.HasPrefix(a.Body, "{") {
				kind = "application/json"
			}
			if id == "" || !strings.Contains(a.Body, id) || a.Header.Get("Content-Type") != kind {
				t.Errorf("%v\n%s", a.Header, a.Body)
			}
		})
	}
}

// KMS's requests stay KMS's, whatever else they look like.
func TestTargetsAreForKMS(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	r := form(`{}`)
	r.Target, r.Service = "TrentService.ListKeys", "kms"
	if a := s.Do(t, r); a.Status != 200 || !strings.Contains(a.Body, `"Keys"`) {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	r.Service = "sts"
	if a := s.Do(t, r); a.Status != 400 || !strings.Contains(a.Body, "InvalidSignatureException") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	if a := s.Do(t, servertest.Request{Body: "{}"}); !strings.Contains(a.Body, "UnknownOperationException") {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

package wire_test

import (
	"encoding/json"
	"errors"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/wire"
)

// TestErrorBodies compares whole bodies with recorded ones.
func TestErrorBodies(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  *wire.Error
		want string
	}{
		{wire.Errorf(wire.CodeInvalidArnException, "Key Aliases are not supported for this operation."), `{"__type":"InvalidArnException","message":"Key Aliases are not supported for this operation."}`},
		{wire.Bare(wire.CodeKMSInvalidMacException), `{"__type":"KMSInvalidMacException"}`},
		{wire.Bare(wire.CodeInvalidCiphertextException), `{"__type":"InvalidCiphertextException"}`},
		{wire.Errorf(wire.CodeNotFoundException, "Alias %s is not found.", "arn:aws:kms:eu-west-3:111122223333:alias/x"), `{"__type":"NotFoundException","message":"Alias arn:aws:kms:eu-west-3:111122223333:alias/x is not found."}`},
		{wire.Errorf(wire.CodeSerializationException, "Start of list found where not expected"), `{"__type":"SerializationException","Message":"Start of list found where not expected"}`},
		{wire.Errorf(wire.CodeAccessDeniedException, "no"), `{"__type":"AccessDeniedException","Message":"no"}`},
		{wire.Errorf(wire.CodeNotFoundException, "Invalid keyId '%s'", "a\"\\\n\x01\u2028é\xff"), `{"__type":"NotFoundException","message":"Invalid keyId 'a\"\\\n\u0001` + "\u2028é\ufffd" + `'"}`},
		{wire.Errorf(wire.CodeTagException, ""), `{"__type":"TagException","message":""}`},
	} {
		want := row.want
		if got := string(row.err.AppendJSON([]byte("x"))); got != "x"+want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		var body map[string]string
		if err := json.Unmarshal(row.err.AppendJSON(nil), &body); err != nil {
			t.Errorf("%s: %v", row.err.Code, err)
		}
		if body["__type"] != row.err.Code.String() {
			t.Errorf("__type is %q", body["__type"])
		}
	}
}

// TestCodes checks the table against what is known of the service, and that it covers the model.
func TestCodes(t *testing.T) {
	t.Parallel()
	for _, e := range model.Errors() {
		c, ok := wire.LookupCode(e.Name)
		if !ok || c.String() != e.Name || c.Status() != e.Status || c.Retryable() != e.Retryable || c.CapitalMessage() != e.Capital || c.Textless() != e.Textless {
			t.Errorf("%s: %v %s %d", e.Name, ok, c, c.Status())
		}
	}
	for _, row := range []struct {
		code               wire.Code
		name               string
		status             int
		retryable, capital bool
	}{
		{wire.CodeDependencyTimeoutException, "DependencyTimeoutException", 500, true, false},
		{wire.CodeKMSInternalException, "KMSInternalException", 500, true, false},
		{wire.CodeKeyUnavailableException, "KeyUnavailableException", 500, true, false},
		{wire.CodeNotFoundException, "NotFoundException", 400, false, false},
		{wire.CodeThrottlingException, "ThrottlingException", 400, true, false},
		{wire.CodeAccessDeniedException, "AccessDeniedException", 400, false, true},
		{wire.CodeSerializationException, "SerializationException", 400, false, true},
		{wire.CodeValidationException, "ValidationException", 400, false, false},
		{wire.CodeUnrecognizedClientException, "UnrecognizedClientException", 400, false, false},
		{wire.CodeNotAuthorizedException, "NotAuthorizedException", 400, false, false},
		{wire.CodeRequestEntityTooLargeException, "RequestEntityTooLargeException", 413, false, false},
		{0, "InternalFailure", 500, true, false},
		{255, "InternalFailure", 500, true, false},
	} {
		if c := row.code; c.String() != row.name || c.Status() != row.status || c.Retryable() != row.retryable || c.CapitalMessage() != row.capital {
			t.Errorf("%s: got %s %d %v %v", row.name, c, c.Status(), c.Retryable(), c.CapitalMessage())
		}
	}
	if _, ok := wire.LookupCode("Nonsense"); ok {
		t.Error("an unknown name has a code")
	}
	var target *wire.Error
	if err := error(wire.Errorf(wire.CodeTagException, "Too many tags")); !errors.As(err, &target) || err.Error() != "TagException: Too many tags" {
		t.Errorf("as a Go error: %v", err)
	}
	if got := wire.Bare(wire.CodeTagException).Error(); got != "TagException" {
		t.Errorf("without text: %s", got)
	}
}

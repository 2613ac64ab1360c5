package sts_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"trent/fastpath/sts"
)

// FuzzForm: a form is refused by an *Error, or means what the standard library reads in it.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{
		"", "&", "=", "Action=AssumeRole&Version=2011-06-15", "Tags.member.1.Key=a&Tags.member.1.Value=%26+%3D", "a=%", "a=%4", "a=%zz",
		"a=%ff", "a=1&a=2", "X-Amz-Date=x&X-Amz-Date=y", "Tags.member.0.Key=a", "Action=%E2%82%AC", "Action", "Action=a;b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		form, err := sts.ParseForm(text)
		var refused *sts.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code != "MalformedQueryString") {
			t.Fatalf("refused by %v", err)
		}
		if err != nil || bytes.ContainsRune(text, ';') { // the standard library refuses it; the service reads it
			return
		}
		values, err := url.ParseQuery(string(text))
		if err != nil || values.Get("Action") != form.Action() {
			t.Errorf("Action is %q, the standard library reads %q (%v)", form.Action(), values.Get("Action"), err)
		}
	})
}

// FuzzError: whatever a text has in it, the answer is an XML document that gives it back.
func FuzzError(f *testing.F) {
	f.Add("a <b> & \"c\"")
	f.Add("\x00\xff")
	f.Fuzz(func(t *testing.T, text string) {
		out := sts.AppendError(nil, &sts.Error{Status: 400, Code: "ValidationError", Message: text}, "id", false)
		var read struct {
			XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
			Error   struct{ Type, Code, Message string }
		}
		if err := xml.Unmarshal(out, &read); err != nil || read.Error.Type != "Sender" || read.Error.Code != "ValidationError" {
			t.Errorf("%q: %v", out, err)
		}
		if utf8.ValidString(text) && !strings.ContainsFunc(text, unfit) && read.Error.Message != text {
			t.Errorf("%q came back as %q", text, read.Error.Message)
		}
	})
}

// unfit tells the characters that no XML document may hold.
func unfit(c rune) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xfffe || c == 0xffff
}

package wire_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/wire"
)

// FuzzDecode decodes a body as every operation would. What is accepted must be JSON, must mean what encoding/json
// reads in it, and must decode to the same again after encoding; the two ways of validating must agree.
func FuzzDecode(f *testing.F) {
	for i, o := range model.Operations() {
		body, err := json.Marshal(secondsIn(sample(f, model.ShapeOf(o.Input), i), model.ShapeOf(o.Input)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), body)
		f.Add(uint8(i), bytes.ReplaceAll(body, []byte(`"`), []byte(`\u0022`)))
	}
	for i, h := range hotRequests {
		f.Add(uint8(i), []byte(h.body))
	}
	for _, body := range []string{
		``, ` `, `{}`, `[]`, `null`, `{"KeyId":null}`, `{"GrantTokens":[null],"EncryptionContext":{"a":null,"a":"b"}}`, `{"Tags":[null,{}]}`,
		`{"NumberOfBytes":1e2,"ValidTo":-0.0001E+4,"Limit":1.0}`, `{"x":[[[{"a":[]}]],-1e-9,true,false,null]}`, `{"KeyId":"\ud83d\ude00\/\u0000"}`, "{\"KeyId\":\"\xff\"}",
	} {
		f.Add(uint8(0), []byte(body))
	}
	operations := model.Operations()
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		o := operations[int(n)%len(operations)]
		r, shape := newRequest(t, o.Name)
		if err := r.Decode(bytes.Clone(body)); err != nil {
			if err.Code != wire.CodeSerializationException || !json.Valid(err.AppendJSON(nil)) {
				t.Fatalf("refused with %s", err.AppendJSON(nil))
			}
			return
		}
		got := shown(t, r, shape)
		if len(bytes.Trim(body, " \t\r\n")) == 0 {
			body = []byte("{}")
		}
		if want, ok := standard(t, body, shape); ok && got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
		valid, reported := wire.Checked(r)
		if valid != (reported == 0) {
			t.Fatalf("valid %v, but %d violations", valid, reported)
		}
		if err := r.Validate(); err != nil && !json.Valid(err.AppendJSON(nil)) {
			t.Fatalf("refused with %s", err.AppendJSON(nil))
		}
		again, _ := newRequest(t, o.Name)
		var plain any
		if err := json.Unmarshal([]byte(got), &plain); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(secondsIn(plain, shape))
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Decode(encoded); err != nil || shown(t, again, shape) != got {
			t.Fatalf("encoded again: %v, %s", err, shown(t, again, shape))
		}
	})
}

// standard is what encoding/json makes of a body, as shown has it; not ok where its numbers are too large to compare.
func standard(t *testing.T, body []byte, s *model.Shape) (string, bool) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var members map[string]any
	if err := d.Decode(&members); err != nil || d.More() {
		t.Fatalf("accepted what is no JSON: %v", err)
	}
	projected, ok := project(members, s)
	return jsonText(t, projected), ok
}

// project keeps of a JSON value what a shape knows.
func project(v any, s *model.Shape) (any, bool) {
	switch s.Kind {
	case model.KindStructure:
		members, _ := v.(map[string]any) // a null element of a list shows as an empty structure
		out := make(map[string]any)
		for _, m := range s.Members {
			if value := members[m.Name]; value != nil {
				p, ok := project(value, model.ShapeOf(m.Shape))
				if !ok {
					return nil, false
				}
				out[m.Name] = p
			}
		}
		return out, true
	case model.KindList:
		out := []any{}
		for _, e := range v.([]any) {
			p, ok := project(e, model.ShapeOf(s.Element))
			if !ok {
				return nil, false
			}
			out = append(out, p)
		}
		return out, true
	case model.KindInteger:
		return scaled(v.(json.Number), 1)
	case model.KindTimestamp:
		return scaled(v.(json.Number), 1000)
	case model.KindBlob:
		b, err := base64.StdEncoding.DecodeString(v.(string))
		return base64.StdEncoding.EncodeToString(b), err == nil
	case model.KindString:
		if text, ok := v.(string); ok && len(s.Enum) > 0 && !slices.Contains(slices.Concat(s.Enum, s.Accepted), text) {
			return "", true // an unknown value has no text
		}
	}
	return v, true
}

// scaled is a number times a scale, cut to an integer.
func scaled(n json.Number, scale int64) (*big.Int, bool) {
	if _, exponent, found := strings.Cut(strings.ToLower(string(n)), "e"); found && len(exponent) > 4 {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil, false
	}
	r.Mul(r, new(big.Rat).SetInt64(scale))
	return new(big.Int).Quo(r.Num(), r.Denom()), true
}

// secondsIn turns the timestamps of a tree, which are milliseconds, into seconds as a client sends them.
func secondsIn(v any, s *model.Shape) any {
	switch s.Kind {
	case model.KindTimestamp:
		ms, ok := v.(int64)
		if !ok {
			ms = int64(v.(float64))
		}
		if ms < 0 {
			return json.Number(fmt.Sprintf("-%d.%03d", -ms/1000, -ms%1000))
		}
		return json.Number(fmt.Sprintf("%d.%03d", ms/1000, ms%1000))
	case model.KindStructure:
		out := make(map[string]any)
		for name, value := range v.(map[string]any) {
			for _, m := range s.Members {
				if m.Name == name {
					out[name] = secondsIn(value, model.ShapeOf(m.Shape))
				}
			}
		}
		return out
	}
	return v
}

// FuzzError writes any text as an error, and as a response's string: it must be read back, with bytes that are not UTF-8
// replaced one by one.
func FuzzError(f *testing.F) {
	for _, text := range []string{"", "plain", "\"\\/\b\f\n\r\t", "\x00\x1f\x7f", "é€😀\u2028\ufffd", "a\xffb\xc3", "12345678\"", "\xed\xa0\x80"} {
		f.Add(uint8(1), text)
	}
	f.Fuzz(func(t *testing.T, code uint8, text string) {
		e := &wire.Error{Code: wire.Code(code), Message: text}
		var body map[string]string
		if err := json.Unmarshal(e.AppendJSON(nil), &body); err != nil {
			t.Fatalf("%v in %s", err, e.AppendJSON(nil))
		}
		member := "message"
		if e.Code.CapitalMessage() {
			member = "Message"
		}
		if want := string([]rune(text)); body["__type"] != e.Code.String() || body[member] != want || len(body) != 2 {
			t.Errorf("got %q, want %q", body, want)
		}
	})
}

// FuzzBlob writes any bytes as a blob and compares with the standard encoding; then reads them back.
func FuzzBlob(f *testing.F) {
	for n := range 20 {
		f.Add(bytes.Repeat([]byte{0xfb, byte(n)}, n)[n:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = append([]byte{}, b...) // present, even if empty
		got := (&wire.GenerateRandomResponse{Plaintext: b}).AppendJSON(nil)
		want := `{"Plaintext":"` + base64.StdEncoding.EncodeToString(b) + `"}`
		if string(got) != want {
			t.Fatalf("got %s, want %s", got, want)
		}
		r := new(wire.EncryptRequest)
		if err := r.Decode(got); err != nil || !bytes.Equal(r.Plaintext, b) {
			t.Fatalf("read back as %x, %v", r.Plaintext, err)
		}
	})
}

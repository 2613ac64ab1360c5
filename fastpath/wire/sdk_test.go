package wire_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"trent/fastpath/model"
	"trent/fastpath/wire"
)

// exchange is an HTTP client that keeps the request's body and answers with a given one.
type exchange struct {
	target string
	sent   []byte
	status int
	answer []byte
}

// Do implements the SDK's HTTPClient.
func (x *exchange) Do(r *http.Request) (*http.Response, error) {
	x.target = r.Header.Get("X-Amz-Target")
	var err error
	if x.sent, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: x.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}},
		Body: io.NopCloser(bytes.NewReader(x.answer)), ContentLength: int64(len(x.answer)), Request: r,
	}, nil
}

// call calls an operation of the SDK's client with an input.
func (x *exchange) call(operation string, input reflect.Value) (reflect.Value, error) {
	client := kms.New(kms.Options{
		Region: "us-east-1", HTTPClient: x, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
	out := reflect.ValueOf(client).MethodByName(operation).Call([]reflect.Value{reflect.ValueOf(context.Background()), input})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

// newInput is an empty input of an operation.
func newInput(operation string) reflect.Value {
	return reflect.New(reflect.ValueOf((*kms.Client)(nil)).MethodByName(operation).Type().In(1).Elem())
}

// TestSDK drives every operation through the SDK with every member set, as an oracle that shares nothing with the
// generator: what the SDK sends decodes to what it was given, and what we answer is what it returns.
func TestSDK(t *testing.T) {
	t.Parallel()
	for _, o := range model.Operations() {
		t.Run(o.Name, func(t *testing.T) {
			t.Parallel()
			in := sample(t, model.ShapeOf(o.Input), 0).(map[string]any)
			input := newInput(o.Name)
			fillSDK(t, input.Elem(), in)
			x := &exchange{status: 200}
			var out map[string]any
			if o.Output != "" {
				shape := model.ShapeOf(o.Output)
				out = sample(t, shape, 1).(map[string]any)
				x.answer = newResponse(t, o.Output, out).AppendJSON(nil)
			}
			got, err := x.call(o.Name, input)
			if err != nil {
				t.Fatal(err)
			}
			if x.target != "TrentService."+o.Name {
				t.Errorf("target %s", x.target)
			}
			r, shape := newRequest(t, o.Name)
			body := string(x.sent)
			if err := r.Decode(x.sent); err != nil {
				t.Fatalf("%v in %s", err, body)
			}
			if want := jsonText(t, in); shown(t, r, shape) != want {
				t.Errorf("decoded %s\nfrom    %s\nwant    %s", shown(t, r, shape), body, want)
			}
			if err := r.Validate(); err != nil {
				t.Errorf("refused: %v", err)
			}
			if o.Output != "" {
				if got, want := jsonText(t, readSDK(got, model.ShapeOf(o.Output))), jsonText(t, out); got != want {
					t.Errorf("the SDK read %s\nwant         %s", got, want)
				}
			}
		})
	}
}

// TestSDKErrors lets the SDK parse every error, with and without text.
func TestSDKErrors(t *testing.T) {
	t.Parallel()
	for _, e := range model.Errors() {
		code, ok := wire.LookupCode(e.Name)
		if !ok {
			t.Fatalf("no code %s", e.Name)
		}
		for _, err := range []*wire.Error{wire.Errorf(code, "text \"with\" %s", "é\n"), wire.Bare(code)} {
			x := &exchange{status: code.Status(), answer: err.AppendJSON(nil)}
			_, got := x.call("Decrypt", reflect.ValueOf(&kms.DecryptInput{}))
			var api smithy.APIError
			want := err.Message
			if err.NoMessage && !e.Modeled {
				want = "UnknownError" // the SDK's own text for errors that it has no type for
			}
			if !errors.As(got, &api) || api.ErrorCode() != e.Name || api.ErrorMessage() != want {
				t.Errorf("%s: the SDK reads %v", x.answer, got)
			}
		}
	}
}

// jsonText is a tree as text.
func jsonText(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fillSDK sets a value of the SDK from a tree.
func fillSDK(t *testing.T, v reflect.Value, from any) {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillSDK(t, v.Elem(), from)
	case reflect.String:
		v.SetString(from.(string))
	case reflect.Bool:
		v.SetBool(from.(bool))
	case reflect.Int32:
		v.SetInt(int64(from.(int32)))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for key, value := range from.(map[string]any) {
			v.SetMapIndex(reflect.ValueOf(key), reflect.ValueOf(value))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b, err := base64.StdEncoding.DecodeString(from.(string))
			if err != nil {
				t.Fatal(err)
			}
			v.SetBytes(b)
			return
		}
		list := from.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			fillSDK(t, v.Index(i), e)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(from.(int64))))
			return
		}
		for name, value := range from.(map[string]any) {
			fillSDK(t, v.FieldByName(name), value)
		}
	}
}

// readSDK is the tree of a value of the SDK.
func readSDK(v reflect.Value, s *model.Shape) any {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch s.Kind {
	case model.KindStructure:
		out := make(map[string]any)
		for _, m := range s.Members {
			out[m.Name] = readSDK(v.FieldByName(m.Name), model.ShapeOf(m.Shape))
		}
		return out
	case model.KindList:
		list := []any{}
		for i := range v.Len() {
			list = append(list, readSDK(v.Index(i), model.ShapeOf(s.Element)))
		}
		return list
	case model.KindBlob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case model.KindTimestamp:
		return v.Interface().(time.Time).UnixMilli()
	}
	return v.Interface()
}

// responses are the types of responses by the model's names.
var responses = func() map[string]reflect.Type {
	types := make(map[string]reflect.Type)
	for _, r := range responseTypes {
		t := reflect.TypeOf(r).Elem()
		types[t.Name()] = t
	}
	return types
}()

// newResponse makes a response from a tree.
func newResponse(t *testing.T, name string, from map[string]any) wire.Response {
	t.Helper()
	typ, ok := responses[name]
	if !ok {
		t.Fatalf("no response type %s", name)
	}
	v := reflect.New(typ)
	fillResponse(t, v.Elem(), from)
	return v.Interface().(wire.Response)
}

// fillResponse sets a value of a response from a tree.
func fillResponse(t *testing.T, v reflect.Value, from any) {
	t.Helper()
	switch v.Interface().(type) {
	case wire.Opt[bool]:
		v.Set(reflect.ValueOf(wire.Some(from.(bool))))
		return
	case wire.Opt[int32]:
		v.Set(reflect.ValueOf(wire.Some(from.(int32))))
		return
	case wire.Opt[wire.Timestamp]:
		v.Set(reflect.ValueOf(wire.Some(wire.Timestamp(from.(int64)))))
		return
	case []wire.ResponsePair:
		var pairs []wire.ResponsePair
		for key, value := range from.(map[string]any) {
			pairs = append(pairs, wire.ResponsePair{Key: key, Value: value.(string)})
		}
		v.Set(reflect.ValueOf(pairs))
		return
	case []byte:
		fillSDK(t, v, from)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillResponse(t, v.Elem(), from)
	case reflect.Uint8:
		for n := range 254 {
			if v.SetUint(uint64(n) + 1); v.Interface().(interface{ String() string }).String() == from {
				return
			}
		}
		t.Fatalf("%s has no value %v", v.Type(), from)
	case reflect.Slice:
		list := from.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, e := range list {
			fillResponse(t, v.Index(i), e)
		}
	case reflect.Struct:
		for name, value := range from.(map[string]any) {
			fillResponse(t, v.FieldByName(name), value)
		}
	default:
		fillSDK(t, v, from)
	}
}

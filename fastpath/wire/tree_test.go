package wire_test

import (
	"encoding/base64"
	"encoding/json"
	"reflect"
	"testing"

	"trent/fastpath/model"
	"trent/fastpath/wire"
)

// newRequest returns a request by the operation's name.
func newRequest(t testing.TB, operation string) (wire.Request, *model.Shape) {
	t.Helper()
	op, ok := wire.LookupTarget([]byte("TrentService." + operation))
	if !ok {
		t.Fatalf("no operation %s", operation)
	}
	for _, o := range model.Operations() {
		if o.Name == operation {
			return wire.NewRequest(op), model.ShapeOf(o.Input)
		}
	}
	t.Fatalf("operation %s is not in the model", operation)
	return nil, nil
}

// tree is a decoded structure as encoding/json would have it: absent members are left out, blobs are base64,
// null elements are nil.
func tree(v reflect.Value, s *model.Shape) map[string]any {
	out := make(map[string]any)
	for _, m := range s.Members {
		f, shape := v.Elem().FieldByName(m.Name), model.ShapeOf(m.Shape)
		if has := v.MethodByName("Has" + m.Name); has.IsValid() {
			if has.Call(nil)[0].Bool() {
				out[m.Name] = f.Interface()
			}
			continue
		}
		if !f.IsZero() {
			out[m.Name] = leaf(f, shape)
		}
	}
	return out
}

// leaf is the value of one member or element that is not a scalar.
func leaf(f reflect.Value, s *model.Shape) any {
	if s.Kind != model.KindStructure && f.IsZero() {
		return nil
	}
	switch s.Kind {
	case model.KindString:
		if len(s.Enum) > 0 {
			return f.Interface().(interface{ String() string }).String()
		}
		return string(f.Bytes())
	case model.KindBlob:
		return base64.StdEncoding.EncodeToString(f.Bytes())
	case model.KindStructure:
		if f.Kind() != reflect.Pointer {
			f = f.Addr()
		}
		return tree(f, s)
	case model.KindList:
		list := []any{}
		for i := range f.Len() {
			list = append(list, leaf(f.Index(i), model.ShapeOf(s.Element)))
		}
		return list
	case model.KindMap:
		pairs := make(map[string]any)
		for _, p := range f.Interface().([]wire.Pair) {
			pairs[string(p.Key)] = nil
			if p.Value != nil {
				pairs[string(p.Key)] = string(p.Value)
			}
		}
		return pairs
	}
	panic("not reached: scalars have presence methods")
}

// shown is the tree of a decoded request as text with sorted members.
func shown(t testing.TB, r wire.Request, s *model.Shape) string {
	t.Helper()
	text, err := json.Marshal(tree(reflect.ValueOf(r), s))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

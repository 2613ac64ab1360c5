package keyring

import (
	"reflect"
	"testing"
	"unsafe"
)

// A node of a snapshot lies on cache lines as its comment says.
func TestNodeOfSnapshot(t *testing.T) {
	t.Parallel()
	var n node[Snapshot]
	if size := unsafe.Sizeof(n); size <= 288 || size > 320 {
		t.Errorf("%d bytes", size)
	}
	if at := unsafe.Offsetof(n.value); at != 64 {
		t.Errorf("the snapshot begins at %d", at)
	}
	if at := unsafe.Offsetof(n.value.ID); at > 64 {
		t.Errorf("what is read of most has %d bytes", at)
	}
	if size := unsafe.Sizeof(node[granteeEntry]{}); size <= 240 || size > 256 {
		t.Errorf("a grantee's node has %d bytes", size)
	}
	if size := unsafe.Sizeof(grantNode{}); size != 96 {
		t.Errorf("a grant has %d bytes", size)
	}
}

// InState copies every field.
func TestInState(t *testing.T) {
	t.Parallel()
	var s Snapshot
	v := reflect.ValueOf(&s).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fill(v.Field(i))
		}
	}
	s.attributes.Store(&Attributes{})
	other := s.InState(Unavailable)
	if other.State != Unavailable || other.attributes.Load() != s.attributes.Load() {
		t.Errorf("%+v", other)
	}
	o := reflect.ValueOf(other).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Name != "State" && !reflect.DeepEqual(v.Field(i).Interface(), o.Field(i).Interface()) {
			t.Errorf("%s is %v", f.Name, o.Field(i))
		}
	}
}

// fill makes a value other than zero.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i))
			}
		}
	default:
		if v.CanInt() {
			v.SetInt(1)
		} else {
			v.SetUint(1)
		}
	}
}

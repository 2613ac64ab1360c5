package keyring

import (
	"errors"
	"reflect"
	"testing"
)

func TestRelatedEncoding(t *testing.T) {
	t.Parallel()
	for _, rel := range []Related{
		{Primary: "us-east-1"},
		{Primary: "eu-west-1", Replicas: []string{"ap-south-1", "us-east-1"}},
	} {
		b := encodeRelated(rel)
		got, err := decodeRelated(b)
		if err != nil || !reflect.DeepEqual(got, rel) {
			t.Errorf("%+v became %+v, %v", rel, got, err)
		}
		for i := range b {
			if _, err := decodeRelated(b[:i]); !errors.Is(err, ErrRecord) {
				t.Errorf("%+v cut to %d bytes: %v", rel, i, err)
			}
		}
		if _, err := decodeRelated(append(b, 0)); !errors.Is(err, ErrRecord) {
			t.Errorf("%+v with a byte too many: %v", rel, err)
		}
	}
}

package model_test

import (
	"slices"
	"testing"

	"trent/fastpath/model"
)

func TestOperations(t *testing.T) {
	t.Parallel()
	operations := model.Operations()
	if len(operations) != 56 || model.TargetPrefix() != "TrentService" {
		t.Errorf("%d operations of %s", len(operations), model.TargetPrefix())
	}
	for _, o := range operations {
		if s := model.ShapeOf(o.Input); s == nil || s.Kind != model.KindStructure {
			t.Errorf("%s: no input %s", o.Name, o.Input)
		}
		if s := model.ShapeOf(o.Output); o.Output != "" && (s == nil || s.Kind != model.KindStructure) {
			t.Errorf("%s: no output %s", o.Name, o.Output)
		}
		for _, name := range o.Errors {
			if !slices.ContainsFunc(model.Errors(), func(e model.Error) bool { return e.Name == name && e.Modeled }) {
				t.Errorf("%s: unknown error %s", o.Name, name)
			}
		}
	}
}

// TestShapes follows every reference and checks that the overlay names only what exists.
func TestShapes(t *testing.T) {
	t.Parallel()
	for _, s := range model.Shapes() {
		for _, m := range s.Members {
			if model.ShapeOf(m.Shape) == nil {
				t.Errorf("%s.%s: no shape %s", s.Name, m.Name, m.Shape)
			}
		}
		for _, name := range []string{s.Element, s.Key, s.Value} {
			if name != "" && model.ShapeOf(name) == nil {
				t.Errorf("%s: no shape %s", s.Name, name)
			}
		}
		if s.Min.Set && s.Max.Set && s.Min.Value > s.Max.Value {
			t.Errorf("%s: %d > %d", s.Name, s.Min.Value, s.Max.Value)
		}
		if len(s.Printed) > 0 && len(s.Enum) == 0 || len(s.Accepted) > 0 && len(s.Enum) == 0 {
			t.Errorf("%s: the overlay lists values of what is no enum", s.Name)
		}
		printed, known := slices.Sorted(slices.Values(s.Printed)), slices.Sorted(slices.Values(s.Enum))
		if s.Name != "DataKeySpec" && !slices.Equal(printed, known) {
			t.Errorf("%s: prints %v of %v", s.Name, printed, known)
		}
	}
	if model.ShapeOf("Nonsense") != nil {
		t.Error("a shape of no name")
	}
}

// TestFacts pins entries of every kind of data, overlay included.
func TestFacts(t *testing.T) {
	t.Parallel()
	key := model.ShapeOf("KeyIdType")
	if key.Kind != model.KindString || key.Min != (model.Bound{Value: 1, Set: true}) || key.Max.Value != 2048 || key.Pattern != `^\p{ASCII}+$` {
		t.Errorf("KeyIdType: %+v", key)
	}
	if s := model.ShapeOf("PlaintextType"); !s.Sensitive || s.Kind != model.KindBlob || s.Max.Value != 4096 {
		t.Errorf("PlaintextType: %+v", s)
	}
	if s := model.ShapeOf("SigningAlgorithmSpec"); !slices.Equal(s.Accepted, []string{"SYMMETRIC_DEFAULT"}) || slices.Contains(s.Enum, "SYMMETRIC_DEFAULT") {
		t.Errorf("SigningAlgorithmSpec: %+v", s)
	}
	if s := model.ShapeOf("DataKeySpec"); !slices.Equal(s.Enum, []string{"AES_256", "AES_128"}) || len(s.Printed) != 17 {
		t.Errorf("DataKeySpec: %+v", s)
	}
	request := model.ShapeOf("EncryptRequest")
	var names []string
	for _, m := range request.Members {
		names = append(names, m.Name)
		if m.Required != (m.Name == "KeyId" || m.Name == "Plaintext") {
			t.Errorf("%s: required %v", m.Name, m.Required)
		}
	}
	if !slices.Equal(names, []string{"KeyId", "Plaintext", "EncryptionContext", "GrantTokens", "EncryptionAlgorithm", "DryRun"}) {
		t.Errorf("members out of order: %v", names)
	}
	for _, m := range model.ShapeOf("KeyMetadata").Members {
		if m.Written != (m.Name == "KeyId" || m.Name == "Description") {
			t.Errorf("KeyMetadata.%s: written %v", m.Name, m.Written)
		}
	}
	for _, e := range model.Errors() {
		if e.Name == "KeyUnavailableException" && (e.Status != 500 || !e.Retryable || !e.Modeled) || e.Name == "AccessDeniedException" && (!e.Capital || e.Modeled || e.Status != 400) {
			t.Errorf("%+v", e)
		}
	}
	if n := len(model.Errors()); n != 48+17 {
		t.Errorf("%d errors", n)
	}
}

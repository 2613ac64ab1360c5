package workload_test

import (
	"slices"
	"testing"

	"trent/loadgen/workload"
)

func TestWithout(t *testing.T) {
	t.Parallel()
	w, err := workload.Load("mixed")
	if err != nil {
		t.Fatal(err)
	}
	less := w.Without([]string{"Sign", "Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey"})
	if got := less.EntryNames(); !slices.Equal(got, []string{"GenerateMac"}) {
		t.Fatalf("left are %q", got)
	}
	if len(less.Keys) != 1 || less.Keys[0].Name != "mac" || less.Mix[0].Group() != 0 {
		t.Errorf("key groups %v, group of the entry %d: want the MAC keys alone", less.Keys, less.Mix[0].Group())
	}
	// What is left still makes requests.
	var hit workload.Hit
	less.Sequence(1).Hit(7, &hit)
	body := string(less.Bodies(keyNames{}).Append(nil, &hit))
	if want := `{"KeyId":"0/`; len(body) < len(want) || body[:len(want)] != want {
		t.Errorf("request %q, want it to begin with %q", body, want)
	}
	if w.Mix[0].Group() != 0 || len(w.Keys) != 3 {
		t.Error("the workload itself was changed")
	}
	if none := w.Without(w.EntryNames()); none != nil {
		t.Errorf("without all entries: %v, want nil", none)
	}
}

type keyNames struct{}

func (keyNames) KeyID(group, i int) string {
	return string(rune('0'+group)) + "/" + string(rune('0'+i))
}
func (keyNames) Artifact(int, int, int) (string, string) { return "", "" }
func (keyNames) Artifacts(int) int                       { return 1 }

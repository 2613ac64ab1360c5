package fastpath

import "testing"

func TestHoistedTarget(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"": "", "a=b": "", "X-Amz-Target=": "", "x-amz-target=TrentService.Sign": "",
		"X-Amz-Target=TrentService.Sign":                     "TrentService.Sign",
		"X-Amz-Date=1&X-Amz-Target=TrentService.Sign&a=b":    "TrentService.Sign",
		"X-Amz-Targets=x&&X-Amz-Target=TrentService.Encrypt": "TrentService.Encrypt",
	} {
		if got := string(hoistedTarget([]byte(query))); got != want {
			t.Errorf("%q: %q, want %q", query, got, want)
		}
	}
}

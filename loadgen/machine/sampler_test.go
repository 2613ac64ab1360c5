package machine

import (
	"testing"
	"time"
)

// A long run's samples are bounded and add up to the same.
func TestHalved(t *testing.T) {
	t.Parallel()
	var samples []Sample
	for i := range 5 {
		samples = append(samples, Sample{At: time.Duration(i+1) * time.Second, Usage: Usage{Wall: time.Second, ClientCPU: time.Duration(i),
			LongestGCPause: time.Duration(i), CPUs: []CPUShare{{CPU: 0, Busy: float64(i)}}}})
	}
	whole := Combined(samples)
	half := halved(samples)
	if len(half) != 3 || half[0].At != 2*time.Second || half[0].Wall != 2*time.Second || half[2].At != 5*time.Second || half[2].Wall != time.Second {
		t.Errorf("%+v", half)
	}
	got := Combined(half)
	if got.Wall != whole.Wall || got.ClientCPU != whole.ClientCPU || got.LongestGCPause != 4 || got.CPUs[0].Busy != whole.CPUs[0].Busy {
		t.Errorf("%+v, before %+v", got, whole)
	}
}

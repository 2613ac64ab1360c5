package bench

import (
	"context"
	"fmt"
	"time"

	"trent/loadgen/machine"
)

// rounds repeats a measurement and keeps what the rest of the machine left alone.
type rounds struct {
	cpus  []int                         // the measurement has them to itself
	own   func() (time.Duration, error) // CPU time of all processes of the measurement
	limit float64                       // share of cpus that others may use
}

// took is what became of them.
type took struct {
	kept, discarded int
	disturbed       string // what spoiled so many rounds that all are kept, and judge nothing; "": enough were quiet
}

func (t took) String() string {
	s := fmt.Sprintf("%d pairs, %d discarded", t.kept, t.discarded)
	if t.disturbed != "" {
		s += "; disturbed: " + t.disturbed
	}
	return s
}

// judged withdraws the verdict of a figure from disturbed rounds.
func (t took) judged(f Figure) Figure {
	if t.disturbed != "" && f.Verdict != Noted {
		f.Verdict = Inconclusive
	}
	if f.Note != "" {
		f.Note += "; "
	}
	f.Note += t.String()
	return f
}

// collect does n rounds, and up to n more in place of disturbed ones. Where fewer than half of n were quiet, it gives them all.
func collect[T any](ctx context.Context, n int, r rounds, one func() (T, error)) (quiet []T, t took, err error) {
	var all []T
	why := ""
	for len(quiet) < n && len(all) < 2*n {
		if err := ctx.Err(); err != nil {
			return nil, t, err
		}
		v, disturbed, err := watched(r, one)
		if err != nil {
			return nil, t, err
		}
		all = append(all, v)
		if disturbed == "" {
			quiet = append(quiet, v)
		} else {
			why = disturbed
		}
	}
	if len(quiet) < (n+1)/2 {
		return all, took{kept: len(all), disturbed: why}, nil
	}
	return quiet, took{kept: len(quiet), discarded: len(all) - len(quiet)}, nil
}

// watched does one round and says what disturbed it.
func watched[T any](r rounds, one func() (T, error)) (v T, disturbed string, err error) {
	probe := machine.NewProbe(machine.Host{}, 0)
	before := probe.Snapshot()
	begun, err := r.own()
	if err != nil {
		return v, "", err
	}
	if v, err = one(); err != nil {
		return v, "", err
	}
	ended, err := r.own()
	if err != nil {
		return v, "", err
	}
	u := probe.Usage(before, probe.Snapshot())
	if stolen := u.Stolen(r.cpus); stolen > stealLimit {
		return v, fmt.Sprintf("%.1f %% of the CPUs was stolen", stolen*100), nil
	}
	if others := othersShare(u, r.cpus, ended-begun); others > r.limit {
		return v, fmt.Sprintf("other processes used %.0f %% of the CPUs", others*100), nil
	}
	return v, "", nil
}

// processesCPU sums the CPU times of processes.
func processesCPU(pids ...int) (sum time.Duration, err error) {
	for _, pid := range pids {
		cpu, err := machine.ProcessCPU(pid)
		if err != nil {
			return 0, err
		}
		sum += cpu
	}
	return sum, nil
}

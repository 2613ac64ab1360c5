package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// Limits on the memory of a run at recorderRate.
const (
	recorderRate   = 5000
	anonymousLimit = 128 // MB
	growthLimit    = 32  // MB over 24 h, by the slope of the second half
	shortest       = 5 * time.Minute
)

// Recorder watches this process's anonymous memory while the native engine sends for a time and all that a run gathers is gathered.
func Recorder(ctx context.Context, r *Report, dir string, length time.Duration) error {
	c, err := newCalibration(ctx, dir)
	if err != nil {
		return err
	}
	defer c.done()
	if err := setMode(c.control, holdMode{}); err != nil {
		return err
	}
	native, err := engine.New("native")
	if err != nil {
		return err
	}
	samples := &memorySamples{}
	t := attack.Trial{
		Engine: native, Meter: attack.NewMeter(machine.NewProbe(machine.Host{}, c.server.cmd.Process.Pid), time.Second), ClientCPUs: machine.Host{}.UsableCPUs(),
		Plan: engine.Plan{Target: c.server.target, Workload: c.workload, Keys: c.keys, Connections: connections,
			Schedule: schedule.Constant(recorderRate, length), Progress: samples.take},
	}
	runtime.GC()
	result, err := t.Run(ctx)
	if err != nil {
		return err
	}
	if n := result.Summary.Count(measure.OK); n < result.Summary.Asked()*99/100 {
		return fmt.Errorf("%d of %d hits went well: %v", n, result.Summary.Asked(), result.Summary.Errors)
	}
	note := fmt.Sprintf("native, %d/s for %v", recorderRate, length)
	r.add(single("anonymous memory of a run, most", "MB", samples.most(), anonymousLimit, true, note))
	growth := single("anonymous memory of a run, growth over 24 h", "MB", samples.slope()*24*3600, growthLimit, true, note+"; after a collection each second, by the slope of the block minima of the second half")
	if length < shortest {
		growth.Verdict, growth.Note = Noted, note+"; too short to tell a slope from the start"
	}
	r.add(growth)
	return nil
}

// memorySamples is RssAnon over time.
type memorySamples struct {
	seconds, mb []float64
}

// take is called once a second. It collects garbage before, which the runtime does every two minutes where there is so little of it:
// what lies about until then would look like growth.
func (m *memorySamples) take(p engine.Progress) {
	runtime.GC()
	mb, ok := rssAnon()
	if ok {
		m.seconds, m.mb = append(m.seconds, p.Elapsed.Seconds()), append(m.mb, mb)
	}
}

func (m *memorySamples) most() float64 {
	most := 0.0
	for _, v := range m.mb {
		most = max(most, v)
	}
	return most
}

// slope is MB a second: the least squares line through the minima of ten blocks of the second half.
func (m *memorySamples) slope() float64 {
	const blocks = 10
	half := len(m.mb) / 2
	size := (len(m.mb) - half) / blocks
	if size == 0 {
		return 0
	}
	var x, y [blocks]float64
	for i := range blocks {
		from := half + i*size
		y[i] = m.mb[from]
		for _, v := range m.mb[from : from+size] {
			y[i] = min(y[i], v)
		}
		x[i] = m.seconds[from+size/2]
	}
	var sx, sy, sxx, sxy float64
	for i := range blocks {
		sx, sy, sxx, sxy = sx+x[i], sy+y[i], sxx+x[i]*x[i], sxy+x[i]*y[i]
	}
	return (blocks*sxy - sx*sy) / (blocks*sxx - sx*sx)
}

// rssAnon is the anonymous resident memory of this process, in MB (proc_pid_status(5)).
func rssAnon() (mb float64, ok bool) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if rest, found := strings.CutPrefix(line, "RssAnon:"); found {
			kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024, err == nil
		}
	}
	return 0, false
}

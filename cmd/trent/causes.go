package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

// windowFlags say what part of the time that a file of causes models is run through.
type windowFlags struct {
	from    string
	speedup float64
	scale   float64
}

// windowNames are the flags.
var windowNames = []string{"from", "speedup", "scale"}

func (f *windowFlags) bind(c *cobra.Command) {
	c.Flags().StringVar(&f.from, "from", "", `workload of causes: time of day at which the run starts, "busiest" or e.g. "13:30" (default: the busiest stretch)`)
	c.Flags().Float64Var(&f.speedup, "speedup", 1, "workload of causes: modelled seconds that pass in a second; calls come as much closer together")
	c.Flags().Float64Var(&f.scale, "scale", 1, "workload of causes: share of the calls that is sent; above 1 for more")
}

// schedule is the causes' own arrivals for a run of the given length.
func (f *windowFlags) schedule(file *traffic.File, length time.Duration, seed uint64) (schedule.Schedule, error) {
	compiled, err := file.Compiled()
	if err != nil {
		return nil, usageError(err, "'trent workload explain "+file.Name+"' shows the calls of each cause")
	}
	w := traffic.Window{Length: length, Speed: f.speedup, Scale: f.scale, Seed: seed}
	if f.speedup <= 0 || f.scale <= 0 {
		return nil, usageError(fmt.Errorf("--speedup %g and --scale %g must be above 0", f.speedup, f.scale), "1 leaves the calls as they are modelled")
	}
	if f.from == "" || f.from == "busiest" {
		w.From, _ = traffic.Busiest(compiled.Flows, min(time.Duration(min(float64(length)*f.speedup, float64(traffic.Day))), traffic.Day))
	} else if w.From, err = traffic.ParseClock(f.from); err != nil {
		return nil, usageError(fmt.Errorf("--from: %w", err), "give a time of day, or leave it out for the busiest stretch")
	}
	times, err := compiled.Schedule(w)
	if err != nil {
		return nil, usageError(fmt.Errorf("the calls of %s: %w", file.Name, err), "see --from, --speedup, --scale and 'trent workload explain "+file.Name+"'")
	}
	return times, nil
}

// refuseWindow refuses the flags where the calls do not come from causes.
func refuseWindow(c *cobra.Command, why string) error {
	for _, name := range windowNames {
		if c.Flags().Changed(name) {
			return usageError(fmt.Errorf("--%s goes with the arrivals of a workload of causes, %s", name, why),
				"'trent workload list' names built-in causes, such as "+traffic.Builtin()[0])
		}
	}
	return nil
}

// arrivals is when hits are due: by the flags, or as the workload's causes have it.
func (f *windowFlags) arrivals(c *cobra.Command, e *environment, load *loadFlags, spec string, perSecond float64, duration time.Duration) (schedule.Schedule, error) {
	given := spec != "" || c.Flags().Changed("rate")
	if spec != "" && (c.Flags().Changed("rate") || c.Flags().Changed("duration")) {
		return nil, usageError(errors.New("--schedule contains rate and duration"), "leave out --rate and --duration, or --schedule")
	}
	if !given && traffic.Names(load.workload) {
		file, err := loadCauses(load.workload)
		if err != nil {
			return nil, err
		}
		times, err := f.schedule(file, duration, load.seed)
		if err == nil {
			fmt.Fprintf(e.Stderr, "%s: %s, %s/s expected on average\n", file.Name, times, rate(times.MeanRate()))
		}
		return times, err
	}
	why := "and " + load.workload + " is none"
	if given {
		why = "which --rate and --schedule replace"
	}
	if err := refuseWindow(c, why); err != nil {
		return nil, err
	}
	if spec == "" {
		spec = fmt.Sprintf("%g/s %s", perSecond, duration)
	}
	times, err := schedule.Parse(spec, load.seed)
	if err != nil {
		return nil, usageError(err, `for example --schedule "poisson:500 30s", "linear:100-1000 30s" or "steps:100x5s,200x5s"`)
	}
	return times, nil
}

func loadCauses(name string) (*traffic.File, error) {
	file, err := traffic.Load(name)
	if err != nil {
		return nil, usageError(err, "'trent workload list' shows built-in causes and models, 'trent workload show MODEL' a model's inputs")
	}
	return file, nil
}

// builtinWorkloads are all names that --workload takes.
func builtinWorkloads() string {
	return strings.Join(slices.Concat(workload.Builtin(), traffic.Builtin()), ", ")
}

func loadWorkload(name string) (w *workload.Workload, source string, err error) {
	// A built-in workload has no file; its name says it all.
	if text, err := os.ReadFile(name); err == nil {
		source = string(text)
	}
	if traffic.Names(name) {
		file, err := loadCauses(name)
		if err != nil {
			return nil, "", err
		}
		compiled, err := file.Compiled()
		if err != nil {
			return nil, "", usageError(err, "'trent workload explain "+name+"' shows the calls of each cause")
		}
		return compiled.Workload, source, nil
	}
	w, err = workload.Load(name)
	if err != nil {
		return nil, "", usageError(err, "built-in workloads: "+builtinWorkloads())
	}
	return w, source, nil
}

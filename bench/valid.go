package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/schedule"
)

// validSearch looks for the highest paced rate at which no gate voids a run and every hit is sent: steps of a quarter, then
// bisection to two parts in a hundred. A rate is valid where the majority of up to three rounds is. A round that the machine
// disturbed (see disturbance) is repeated.
type validSearch struct {
	rig    *rig
	engine engine.Engine
	start  float64
	logf   func(string, ...any)

	rounds, disturbed int
	best, next        float64 // highest valid and lowest invalid rate
	why               string  // what failed at next
	margin            string  // the gates at best
}

// errDisturbed is a measurement for which the machine was never quiet.
var errDisturbed = errors.New("the machine was not quiet in any round")

// validRound is the length of a round, of which the first second is not judged.
const validRound = 5 * time.Second

func (v *validSearch) note() string {
	text := fmt.Sprintf("every gate; %d rounds of %v, %d disturbed by the machine", v.rounds, validRound, v.disturbed)
	if v.best > 0 {
		text += "; there " + v.margin
	}
	if !math.IsInf(v.next, 1) {
		text += fmt.Sprintf("; next step %.0f/s: %s", v.next, v.why)
	}
	return text
}

func (v *validSearch) search(ctx context.Context) (float64, error) {
	v.next = math.Inf(1)
	// The steps begin at half of what is wanted, and go down where that is not valid.
	for rate := v.start; rate > 100 && rate < 1e6; {
		valid, err := v.majority(ctx, rate)
		if err != nil {
			return 0, err
		}
		if valid {
			v.best = rate
			rate *= 1.25
		} else {
			v.next = rate
			rate /= 1.25
		}
		if v.best > 0 && !math.IsInf(v.next, 1) {
			break
		}
	}
	for v.best > 0 && v.next/v.best > 1.02 {
		rate := (v.best + v.next) / 2
		valid, err := v.majority(ctx, rate)
		if err != nil {
			return 0, err
		}
		if valid {
			v.best = rate
		} else {
			v.next = rate
		}
	}
	return v.best, nil
}

// majority judges a rate by two rounds of three.
func (v *validSearch) majority(ctx context.Context, rate float64) (bool, error) {
	good, bad := 0, 0
	for good < 2 && bad < 2 {
		why, margin, err := v.judge(ctx, rate)
		if err != nil {
			return false, err
		}
		v.logf("%s at %.0f/s: %s%s", v.engine.Name(), rate, why, margin)
		if why == "" {
			good++
			v.margin = margin
		} else {
			bad++
			v.why = why
		}
	}
	return good == 2, nil
}

// judge runs one round; why is what voids it, "" for nothing.
func (v *validSearch) judge(ctx context.Context, rate float64) (why, margin string, err error) {
	for range attempts {
		v.rounds++
		t := attack.Trial{
			Engine: v.engine, Warm: time.Second, ClientCPUs: v.rig.client,
			Meter: attack.NewMeter(machine.NewProbe(machine.Host{}, v.rig.floor.cmd.Process.Pid), time.Second),
			Plan: engine.Plan{Target: v.rig.floor.target, Workload: v.rig.workload, Keys: v.rig.keys, Connections: connections,
				Schedule: schedule.Constant(rate, validRound)},
		}
		result, err := t.Run(ctx)
		if err != nil {
			return "", "", err
		}
		if err := ctx.Err(); err != nil {
			return "", "", err
		}
		if what := disturbance(result, v.rig.client, v.rig.server); what != "" {
			v.logf("%s at %.0f/s: round of no use: %s", v.engine.Name(), rate, what)
			v.disturbed++
			continue
		}
		why := voided(result.Gates)
		if n, asked := result.Summary.Count(measure.OK), result.Summary.Asked(); why == "" && n != asked {
			why = fmt.Sprintf("%d of %d hits went well", n, asked)
		}
		if why == "" {
			// A pool whose connections are all busy for long is not a client that keeps up.
			if wait := measure.Quantile(result.Summary.WaitLag(), 0.99); wait > 10*time.Millisecond {
				why = fmt.Sprintf("p99 wait for a connection %v", wait.Round(time.Microsecond))
			}
		}
		return why, fmt.Sprintf("p99 client lag %v, client core %.0f %% busy, run-queue delay %v, CPU a request %v",
			result.Conditions.ClientLagP99.Round(time.Microsecond), result.Conditions.ClientBusy*100,
			result.Conditions.RunDelay.Round(time.Microsecond), result.ClientCost().Round(100*time.Nanosecond)), nil
	}
	return "", "", errDisturbed
}

package bench

import (
	"fmt"
	"time"

	"trent/loadgen/attack"
	"trent/loadgen/machine"
	"trent/loadgen/slo"
)

// othersLimit is the share of a core that processes which are no part of a measurement may use of it. Interrupts that the kernel
// books to nobody are within it.
const othersLimit = 0.2

// attempts is how often a round is repeated that the machine disturbed.
const attempts = 5

// disturbance is what kept a round from being quiet through no fault of client or server, "" for nothing: stolen CPU, a clock
// step, or other processes on the cores of the two.
func disturbance(result *attack.Result, client, server []int) string {
	for _, g := range result.Gates {
		if g.Void && (g.Name == "CPU stolen" || g.Name == "clock step") {
			return fmt.Sprintf("%s %s", g.Name, g.Figure)
		}
	}
	u := result.Whole
	for _, c := range []struct {
		cpus []int
		own  time.Duration
	}{{client, u.ClientCPU}, {server, u.ServerCPU}} {
		if others := othersShare(u, c.cpus, c.own); others > othersLimit {
			return fmt.Sprintf("other processes used %.0f %% of CPU %s", others*100, machine.FormatCPUList(c.cpus))
		}
	}
	return ""
}

// othersShare is the part of some CPUs that was busy with other things than a process that used them for so long.
func othersShare(u machine.Usage, cpus []int, own time.Duration) float64 {
	if u.Wall <= 0 || len(cpus) == 0 {
		return 0
	}
	return u.Busy(cpus) - own.Seconds()/u.Wall.Seconds()/float64(len(cpus))
}

// voided names the gates that void, "" for none.
func voided(gates []slo.Gate) (why string) {
	for _, g := range gates {
		if g.Void {
			why += fmt.Sprintf("%s %s, limit %s; ", g.Name, g.Figure, g.Limit)
		}
	}
	return why
}

package attack

import (
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/machine"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
	"trent/results"
)

// cutShort is the record of a run that was interrupted while its keys were made: nothing was sent, and it says so.
func (o *Options) cutShort(host machine.Host, cause error) (*results.Record, error) {
	record := o.record()
	trial := &Trial{Limits: o.Limits, ClientCPUs: host.UsableCPUs(), Plan: engine.Plan{Target: o.Target, Workload: o.Workload, Schedule: o.Schedule,
		Seed: o.Seed, Connections: o.Connections, Connect: o.Connect, SDK: o.SDK, Timeout: o.Timeout}}
	summary := measure.NewRecorder(measure.Config{Entries: o.Workload.EntryNames()}).Summary()
	result := &Result{Report: engine.Report{Engine: o.Engine, Start: time.Now(), Interrupted: true}, Summary: summary,
		Populations: Populations(summary, 0, 0), Outcome: slo.Inconclusive}
	if err := Fill(record, trial, result, host); err != nil {
		return nil, err
	}
	record.Notes = append(record.Notes, "It was interrupted before the first request of the workload was sent, while keys were made: "+cause.Error()+".")
	return record, nil
}

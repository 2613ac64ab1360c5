package cluster

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"trent/loadgen/engine"
	"trent/loadgen/schedule"
	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

// cargo is the body of a job.
type cargo struct {
	Keys engine.KeySet `json:"keys"`
	// Trace is the hits, gzipped, of a schedule that has no specification which agents could read.
	Trace []byte `json:"trace,omitempty"`
}

// maxShipped bounds the hits of a schedule that is shipped as a trace; each takes 24 bytes of an agent's memory.
const maxShipped = 20_000_000

// pack makes the body of the jobs.
func (g *Group) pack() ([]byte, error) {
	c := cargo{Keys: g.plan.Keys.Export()}
	if g.shipped() {
		var text bytes.Buffer
		zipped := gzip.NewWriter(&text)
		if err := errors.Join(schedule.WriteTrace(zipped, g.plan.Schedule, maxShipped), zipped.Close()); err != nil {
			return nil, fmt.Errorf("giving the schedule to the agents: %w", err)
		}
		c.Trace = text.Bytes()
	}
	body, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding the jobs: %w", err)
	}
	return body, nil
}

// shipped tells whether the agents get the hits themselves: the schedule has no specification, or one that names a file of this
// machine.
func (g *Group) shipped() bool {
	spec := g.plan.Schedule.String()
	if strings.HasPrefix(spec, "trace:") {
		return !g.options.Transport.Local()
	}
	again, err := schedule.Parse(spec, g.plan.Seed)
	return err != nil || fingerprint(again) != fingerprint(g.plan.Schedule)
}

// schedule is the whole schedule of a job.
func (j *Job) schedule(c *cargo) (schedule.Schedule, error) {
	if len(c.Trace) == 0 {
		return schedule.Parse(j.Schedule, j.Seed)
	}
	text, err := gzip.NewReader(bytes.NewReader(c.Trace))
	if err != nil {
		return nil, fmt.Errorf("unpacking the schedule: %w", err)
	}
	return schedule.ReadTrace(io.LimitReader(text, maxLog), j.Length, maxShipped)
}

// workload is what a job sends. Without a source it must be built in: a job names no files of the agent's.
func (j *Job) workload() (*workload.Workload, error) {
	switch {
	case j.WorkloadSource != "" && traffic.HasCauses([]byte(j.WorkloadSource)):
		return compiled(traffic.Parse(j.Workload, []byte(j.WorkloadSource)))
	case j.WorkloadSource != "":
		return workload.Parse(j.Workload, []byte(j.WorkloadSource))
	case slices.Contains(traffic.Builtin(), j.Workload):
		return compiled(traffic.Load(j.Workload))
	case slices.Contains(workload.Builtin(), j.Workload):
		return workload.Load(j.Workload)
	}
	return nil, fmt.Errorf("workload %q is not built in", j.Workload)
}

func compiled(file *traffic.File, err error) (*workload.Workload, error) {
	if err != nil {
		return nil, err
	}
	c, err := file.Compiled()
	if err != nil {
		return nil, err
	}
	return c.Workload, nil
}

// fingerprint tells schedules apart by their length and their first hits.
func fingerprint(s schedule.Schedule) uint64 {
	h := fnv.New64a()
	var word [8]byte
	write := func(v uint64) {
		binary.BigEndian.PutUint64(word[:], v)
		h.Write(word[:])
	}
	write(uint64(s.Duration()))
	it := s.Iterator()
	for range 1000 {
		hit, ok := it.Next()
		if !ok {
			break
		}
		write(uint64(hit.Due))
		write(uint64(hit.Entry))
	}
	return h.Sum64()
}

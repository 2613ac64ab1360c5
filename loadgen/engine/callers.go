package engine

import "trent/loadgen/workload"

// Caller is who signs some of a workload's requests.
type Caller struct {
	Credentials Credentials
	Region      string // "": the target's
}

// caller is who signs the requests of an entry: the one it names if the target knows it, else the target's own.
func (t *Target) caller(e *workload.Entry) Caller {
	own := Caller{Credentials: t.Credentials, Region: t.Region}
	c, ok := t.Callers[e.Caller]
	if !ok {
		return own
	}
	if c.Region == "" {
		c.Region = own.Region
	}
	return c
}

// signers makes a lane's signers by entry of the workload, nil where one signs for all. Callers that sign alike share a signer.
func (t *Target) signers(w *workload.Workload, host string) []*signer {
	if len(t.Callers) == 0 {
		return nil
	}
	made := map[Caller]*signer{}
	all := make([]*signer, len(w.Mix))
	for i := range w.Mix {
		c := t.caller(&w.Mix[i])
		if made[c] == nil {
			made[c] = newSigner(c.Credentials, c.Region, host)
		}
		all[i] = made[c]
	}
	return all
}

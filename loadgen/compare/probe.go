package compare

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"trent/loadgen/engine"
	"trent/loadgen/workload"
	"trent/results"
)

// control is an operation that no server knows: what answers to it means "lacks".
const control = "TrentNoSuchOperation"

// prober asks one side what it can do. Its requests are valid by the API, so that a refusal tells of the side.
type prober struct {
	side    string
	client  *engine.Client
	unknown engine.Exchanged // the answer to an operation that does not exist
	made    []string         // IDs of keys that were made
}

// newProber learns how the side answers to an operation that does not exist. Error: it does not answer at all.
func newProber(ctx context.Context, side string, target engine.Target) (*prober, error) {
	client, err := engine.NewClient(target)
	if err != nil {
		return nil, err
	}
	p := &prober{side: side, client: client}
	if p.unknown, err = client.Exchange(ctx, control, []byte("{}")); err != nil {
		client.Close()
		return nil, fmt.Errorf("asking it for an operation that does not exist: %w", err)
	}
	return p, nil
}

// close schedules the deletion of the keys that were made; what a side cannot delete is left.
func (p *prober) close(ctx context.Context) {
	for _, id := range p.made {
		body, err := json.Marshal(map[string]any{"KeyId": id, "PendingWindowInDays": 7})
		if err == nil {
			_, _ = p.client.Exchange(context.WithoutCancel(ctx), "ScheduleKeyDeletion", body)
		}
	}
	p.client.Close()
}

// lacks are names by which servers say that they do not know an operation, or not with what was asked for.
var lacks = []string{"UnknownOperation", "UnsupportedOperation", "NotImplemented", "InvalidAction", "UnrecognizedOperation", "MissingAction"}

// judge sorts an answer to valid input.
func (p *prober) judge(x engine.Exchanged) string {
	if x.Status == 200 && x.Error == "" {
		if p.unknown.Status == 200 {
			return results.Lacks // it says yes to anything
		}
		return results.Answers
	}
	if x.Status == 501 || x.Status == 404 || x.Status == 405 || x.Error == p.unknown.Error && x.Status == p.unknown.Status {
		return results.Lacks
	}
	for _, name := range lacks {
		if strings.Contains(x.Error, name) {
			return results.Lacks
		}
	}
	return results.Refuses
}

// call makes one probe. A connection that fails is a refusal: a valid request must not break it.
func (p *prober) call(ctx context.Context, operation string, body []byte) (results.Probe, engine.Exchanged) {
	out := results.Probe{Side: p.side, Operation: operation}
	x, err := p.client.Exchange(ctx, operation, body)
	if err != nil {
		out.Finding, out.Error, out.Message = results.Refuses, "NoAnswer", err.Error()
		return out, x
	}
	out.Finding, out.Status, out.Error, out.Message, out.Bytes = p.judge(x), x.Status, x.Error, x.Message, x.Bytes
	return out, x
}

// create makes a key and returns its ID.
func (p *prober) create(ctx context.Context, settings map[string]any) (string, results.Probe) {
	settings["Tags"] = []map[string]string{{"TagKey": "created-by", "TagValue": "trent-load"}}
	body, err := json.Marshal(settings)
	if err != nil {
		return "", results.Probe{Side: p.side, Operation: "CreateKey", Finding: results.Refuses, Error: err.Error()}
	}
	found, x := p.call(ctx, "CreateKey", body)
	if found.Finding != results.Answers {
		// A valid spec that is refused as invalid is one that the side does not have.
		if strings.Contains(found.Error, "Validation") || strings.Contains(found.Error, "InvalidParameter") {
			found.Finding = results.Lacks
		}
		return "", found
	}
	var out struct{ KeyMetadata struct{ KeyId string } }
	if err := json.Unmarshal(x.Body, &out); err != nil || out.KeyMetadata.KeyId == "" {
		found.Finding, found.Error = results.Refuses, "NoKeyId"
		return "", found
	}
	p.made = append(p.made, out.KeyMetadata.KeyId)
	return out.KeyMetadata.KeyId, found
}

// material is one key of each group and one artifact of each entry.
type material struct {
	keys      []string
	artifacts [][2]string
}

func (m *material) KeyID(group, _ int) string { return m.keys[group] }

func (m *material) Artifact(entry, _, _ int) (string, string) {
	return m.artifacts[entry][0], m.artifacts[entry][1]
}

func (m *material) Artifacts(int) int { return 1 }

// mix probes every entry of a workload.
func (p *prober) mix(ctx context.Context, w *workload.Workload) []results.Probe {
	m := &material{keys: make([]string, len(w.Keys)), artifacts: make([][2]string, len(w.Mix))}
	without := make([]results.Probe, len(w.Keys))
	for i := range w.Keys {
		m.keys[i], without[i] = p.create(ctx, map[string]any{"KeySpec": w.Keys[i].Spec, "KeyUsage": w.Keys[i].Usage})
	}
	bodies := w.Bodies(m)
	var out []results.Probe
	for i := range w.Mix {
		e := &w.Mix[i]
		found := results.Probe{Side: p.side}
		if group := e.Group(); group >= 0 && m.keys[group] == "" {
			found = without[group]
			found.Message = strings.TrimSuffix("no key of spec "+w.Keys[group].Spec+": "+found.Message, ": ")
		} else {
			found = p.entry(ctx, w, bodies, m, i)
		}
		found.Operation, found.Entry = e.Operation, e.Name
		out = append(out, found)
	}
	return out
}

// entry probes one entry, after making what its request carries.
func (p *prober) entry(ctx context.Context, w *workload.Workload, bodies *workload.Bodies, m *material, entry int) results.Probe {
	e := &w.Mix[entry]
	if e.Artifact() != workload.NoArtifact {
		operation, body, payload := bodies.MakeArtifact(entry, 0, 0, m.keys[e.Group()])
		found, x := p.call(ctx, operation, body)
		if found.Finding != results.Answers {
			found.Message = strings.TrimSuffix("by "+operation+": "+found.Message, ": ")
			return found
		}
		var made struct{ CiphertextBlob, Signature, Mac string }
		if err := json.Unmarshal(x.Body, &made); err != nil || made.CiphertextBlob+made.Signature+made.Mac == "" {
			found.Finding, found.Error = results.Refuses, "NoResult"
			return found
		}
		m.artifacts[entry] = [2]string{made.CiphertextBlob + made.Signature + made.Mac, payload}
	}
	found, _ := p.call(ctx, e.Operation, bodies.Append(nil, hitOf(w, entry)))
	return found
}

// hitOf is the first hit of an entry in a sequence, on the group's first key.
func hitOf(w *workload.Workload, entry int) *workload.Hit {
	sequence := w.Sequence(1)
	var hit workload.Hit
	for n := range uint64(1 << 20) { // an entry whose weight is smaller is not worth waiting for
		if sequence.Hit(n, &hit); hit.Entry == entry {
			break
		}
	}
	if hit.Entry != entry {
		hit = workload.Hit{Entry: entry, Size: w.Mix[entry].VariantSizes()[0], Seed: 1}
	}
	hit.Key = 0
	return &hit
}

// agree probes both sides and reduces the mix to what both answer.
func (r *run) agree(ctx context.Context) error {
	floor := r.A.Kind == results.FloorSubject
	for i, side := range r.sides {
		if floor && i == 0 || r.SkipProbe && !floor {
			continue
		}
		r.Display.Phase("asking %s what it can do", side.Name)
		p, err := newProber(ctx, side.side, side.Target)
		if err != nil {
			return fmt.Errorf("%s: %w", side.Name, err)
		}
		r.result.Probes = append(r.result.Probes, p.mix(ctx, r.Workload)...)
		if r.ProbeAll {
			r.result.Probes = append(r.result.Probes, p.all(ctx)...)
		}
		p.close(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, p := range r.result.Probes {
		if p.Entry != "" && p.Finding != results.Answers && !contains(r.result.Dropped, p.Entry) {
			r.result.Dropped = append(r.result.Dropped, p.Entry)
		}
	}
	if len(r.result.Dropped) > 0 {
		if r.Workload = r.Workload.Without(r.result.Dropped); r.Workload == nil {
			return ErrNothingInCommon
		}
		r.note("The mix was reduced to what both sides answer: without %s.", strings.Join(r.result.Dropped, ", "))
	}
	return nil
}

package plan

import (
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"

	"trent/loadgen/plan/sim"
	"trent/loadgen/traffic"
	"trent/results"
)

// Remedy is a change to what is asked, or to how it is asked.
type Remedy struct {
	Name, Text string
	Flows      []traffic.Flow // instead of the plan's; nil: the same
	Factors    []float64      // of the plan's calls, by flow; nil: 1
	Regions    int            // over which calls and keys are spread; 0: 1
	Retry      *sim.Policy
	Applies    bool // false: the plan has nothing that it would change
}

// Change sets inputs of the causes of one model.
type Change struct {
	Name, Text string
	Model      string
	Set        map[string]any
	Unless     func(c *traffic.Cause) bool // it is so already
}

// Changes are the remedies that change how a service uses keys.
func Changes() []Change {
	input := func(name, value string) func(*traffic.Cause) bool {
		return func(c *traffic.Cause) bool {
			return slices.ContainsFunc(c.Inputs, func(g traffic.Given) bool { return g.Name == name && g.Value == value })
		}
	}
	return []Change{
		{"data key caching", "AWS Encryption SDK: each data key is used for 100 messages", "encryption-sdk", map[string]any{"cache": true, "max_messages": 100}, input("cache", "true")},
		{"S3 bucket keys", "a key a requester and bucket instead of one an object", "s3", map[string]any{"bucket_keys": true}, input("bucket_keys", "true")},
		{"SQS reuse of an hour", "data key reuse period of 1 h", "sqs", map[string]any{"reuse_period": "1h"}, input("reuse_period", "1h")},
		{"DynamoDB keep-alive", "connections are reused, so that table keys stay cached", "dynamodb", map[string]any{"keep_alive": true}, input("keep_alive", "true")},
	}
}

// Remedy applies a change to a file of causes. It does not apply where no cause is of its model, or all are so already.
// Error: the file cannot be read again with the change in it.
func (c Change) Remedy(f *traffic.File) (Remedy, error) {
	r := Remedy{Name: c.Name, Text: c.Text}
	var doc yaml.MapSlice
	if err := yaml.UnmarshalWithOptions([]byte(f.Text), &doc, yaml.UseOrderedMap()); err != nil {
		return r, fmt.Errorf("remedy %s: %w", c.Name, err)
	}
	for i := range doc {
		causes, ok := doc[i].Value.([]any)
		if doc[i].Key != "causes" || !ok {
			continue
		}
		for n := range causes {
			if n < len(f.Causes) && f.Causes[n].Model == c.Model && !c.Unless(&f.Causes[n]) {
				causes[n] = with(causes[n], c.Set)
				r.Applies = true
			}
		}
	}
	if !r.Applies {
		return r, nil
	}
	text, err := yaml.Marshal(doc)
	if err != nil {
		return r, fmt.Errorf("remedy %s: %w", c.Name, err)
	}
	changed, err := traffic.Parse(f.Name, text)
	if err != nil {
		return r, fmt.Errorf("remedy %s: %w", c.Name, err)
	}
	r.Flows = changed.Flows()
	return r, nil
}

// with sets fields of a mapping.
func with(node any, set map[string]any) any {
	fields, ok := node.(yaml.MapSlice)
	if !ok {
		return node
	}
	for name, value := range set {
		i := slices.IndexFunc(fields, func(f yaml.MapItem) bool { return f.Key == name })
		if i < 0 {
			fields = append(fields, yaml.MapItem{Key: name, Value: value})
			continue
		}
		fields[i].Value = value
	}
	return fields
}

// cachedUses is how often a cached data key is used: the published example of data key caching, and what "up to 99 %
// fewer calls" of bucket keys comes to.
const cachedUses = 100

// Caching are the remedies for demand of which only calls are known, not what causes them: data keys that are used for
// 100 messages, and bucket keys that spare 99 calls in 100.
func Caching(d *Demand) []Remedy {
	sdk := Remedy{Name: "data key caching", Text: "GenerateDataKey and Decrypt of applications ÷ 100, as in the published example; an upper bound for Decrypt"}
	s3 := Remedy{Name: "S3 bucket keys", Text: "calls of S3 ÷ 100, the published upper bound"}
	for i := range d.Flows {
		f := &d.Flows[i]
		ours, theirs := 1.0, 1.0
		if envelope(f) {
			switch f.Service {
			case "", "application", "encryption-sdk":
				ours, sdk.Applies = 1.0/cachedUses, true
			case "s3", "s3.amazonaws.com":
				theirs, s3.Applies = 1.0/cachedUses, true
			}
		}
		sdk.Factors, s3.Factors = append(sdk.Factors, ours), append(s3.Factors, theirs)
	}
	return []Remedy{sdk, s3}
}

// envelope says whether a call makes or opens a data key.
func envelope(f *traffic.Flow) bool {
	symmetric := f.KeySpec == "" || f.KeySpec == "SYMMETRIC_DEFAULT"
	return symmetric && (f.Operation == "Decrypt" || f.Operation == "GenerateDataKey" || f.Operation == "GenerateDataKeyWithoutPlaintext")
}

// Standard are the remedies that any demand can take.
func Standard(regions int) []Remedy {
	jitter, _ := sim.PolicyNamed("jitter")
	return []Remedy{
		{Name: fmt.Sprintf("%d Regions", regions), Text: "calls spread evenly; a replica of each key in every Region", Regions: regions, Applies: regions > 1},
		{Name: "retry with jitter", Text: "up to 8 attempts, waits below 100 ms × 2ⁿ at random, no retry quota", Retry: &jitter, Applies: true},
	}
}

// remedies puts the plan and each changed plan side by side.
func (o *Options) remedies(p *day, r *results.PlanResult) ([]results.PlanRemedy, error) {
	before := results.PlanRemedy{Name: "as planned", Text: "retries: " + o.Retry.Name, Applies: true, Amount: r.Cost.Total}
	fill(&before, p, r.Tail, r.Cost)
	out := []results.PlanRemedy{before}
	for _, remedy := range o.Remedies {
		row := results.PlanRemedy{Name: remedy.Name, Text: remedy.Text, Applies: remedy.Applies}
		if remedy.Applies {
			o.Progress("with a remedy: %s", remedy.Name)
			if err := o.remedy(remedy, &row); err != nil {
				return nil, fmt.Errorf("remedy %s: %w", remedy.Name, err)
			}
		}
		out = append(out, row)
	}
	return out, nil
}

func (o *Options) remedy(remedy Remedy, row *results.PlanRemedy) error {
	changed := *o
	d := *o.Demand
	if remedy.Flows != nil {
		d = *FromFlows(d.Source, remedy.Flows)
		d.KeyCounts = o.Demand.KeyCounts
	}
	d.factors = remedy.Factors
	changed.Demand = &d
	if remedy.Retry != nil {
		changed.Retry = *remedy.Retry
	}
	regions := max(remedy.Regions, 1)
	changed.Scale = o.Scale / float64(regions)
	p, err := newDay(&changed, &d, changed.Retry)
	if err != nil {
		return err
	}
	tail, err := changed.tail(p, &d, changed.Retry)
	if err != nil {
		return err
	}
	whole := *o
	whole.Keys = o.Keys
	if whole.Keys == 0 {
		whole.Keys = KeyCount(&d)
	}
	whole.Keys *= float64(regions)
	fill(row, p, tail, whole.cost(&d))
	row.Throttled *= float64(regions)
	row.Failed *= float64(regions)
	return nil
}

// fill puts figures into a row.
func fill(row *results.PlanRemedy, p *day, tail *results.PlanTail, cost results.PlanCost) {
	attempts := 0.0
	for _, c := range p.meters {
		attempts += c.total.attempts
		row.Throttled += c.total.throttled
		row.Failed += c.total.failed
	}
	row.ThrottledShare = shareOf(row.Throttled, attempts)
	row.Calls, row.Amount = cost.Requests, cost.Total
	for _, q := range tail.Latency {
		switch q.Q {
		case 0.5:
			row.P50 = q.Value
		case 0.99:
			row.P99 = q.Value
		}
	}
}

package plan

import (
	"slices"
	"strings"
	"time"

	"trent/results"
)

// priceClass is the class of a request.
func priceClass(operation, spec string) string {
	switch {
	case strings.HasPrefix(operation, "GenerateDataKeyPair"):
		if strings.HasPrefix(spec, "RSA_") {
			return "rsa-key-pair"
		}
		return "ecc-key-pair"
	case spec == "" || spec == "SYMMETRIC_DEFAULT" || strings.HasPrefix(spec, "HMAC_") || !usesMaterial(operation):
		return "symmetric"
	case spec == "RSA_2048":
		return "rsa-2048"
	}
	return "asymmetric"
}

// usesMaterial tells use of a key from management of it.
func usesMaterial(operation string) bool {
	return slices.Contains([]string{"Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify", "GenerateMac", "VerifyMac", "DeriveSharedSecret",
		"GetPublicKey", "Encapsulate", "Decapsulate"}, operation)
}

// managed says whether a key is one of the service's own (aws/s3), which costs nothing to have.
func managed(key string) bool { return key == "" || strings.HasPrefix(key, "aws/") }

// KeyCount is the customer managed keys that flows name.
func KeyCount(d *Demand) float64 {
	seen, total := map[string]bool{}, 0.0
	for i := range d.Flows {
		if key := d.Flows[i].Key; !managed(key) && !seen[key] {
			seen[key] = true
			total += d.keys(key)
		}
	}
	return total
}

// keys is how many keys a name stands for.
func (d *Demand) keys(name string) float64 {
	if n, ok := d.KeyCounts[name]; ok {
		return n
	}
	return 1
}

// cost is a month of the demand at the options' scale.
func (o *Options) cost(d *Demand) results.PlanCost {
	calls := make([]float64, len(d.Flows))
	series := make([]float64, d.Seconds)
	months := time.Duration(o.Prices.Month).Seconds() / float64(d.Seconds)
	for f := range d.Flows {
		d.expected(f, o.Scale, series)
		for _, n := range series {
			calls[f] += n * months
		}
	}
	return o.price(d, calls)
}

// price is the cost of calls a month by flow.
func (o *Options) price(d *Demand, calls []float64) results.PlanCost {
	p := o.Prices
	c := results.PlanCost{Currency: p.Currency, Month: time.Duration(p.Month), Keys: o.Keys}
	if c.Keys == 0 {
		c.Keys = KeyCount(d)
	}
	byClass := map[string]float64{}
	for f, n := range calls {
		c.Requests += n
		if d.Flows[f].Unbilled {
			c.Unbilled += n
			continue
		}
		byClass[priceClass(d.Flows[f].Operation, d.Flows[f].KeySpec)] += n
	}
	free, eligible := p.Free, 0.0
	for _, class := range p.Classes {
		if class.Free {
			eligible += byClass[class.Name]
		}
	}
	for _, class := range p.Classes {
		n := byClass[class.Name]
		if n == 0 {
			continue
		}
		line := results.PlanPrice{Class: class.Name, Requests: n, Per10000: class.Per10000}
		if class.Free {
			line.Free = min(n, free*shareOf(n, eligible))
		}
		line.Amount = (n - line.Free) / 10_000 * class.Per10000
		c.Total += line.Amount
		c.Classes = append(c.Classes, line)
	}
	c.KeyAmount = c.Keys * p.Key
	c.RotationAmount = o.Rotated * p.Rotation
	c.Total += c.KeyAmount + c.RotationAmount
	return c
}

// causes attributes calls, throttles and cost to who causes them. A free request saves every caller of its class alike;
// keys are shared out evenly among the flows that name them when the plan counts the keys itself.
func (p *day) causes(cost *results.PlanCost) []results.PlanCause {
	o, d := p.options, p.demand
	months := time.Duration(o.Prices.Month).Seconds() / float64(p.seconds)
	effective := map[string]float64{}
	for _, line := range cost.Classes {
		effective[line.Class] = shareOf(line.Amount, line.Requests)
	}
	users := map[string]float64{}
	for f := range d.Flows {
		users[d.Flows[f].Key]++
	}
	out := make([]results.PlanCause, 0, len(d.Flows))
	index := map[results.PlanCause]int{} // of flows that differ in nothing but when they come
	for f := range d.Flows {
		flow, use := &d.Flows[f], &p.flows[f]
		c := results.PlanCause{Cause: flow.Cause, Service: flow.Service, Caller: flow.Caller, Key: flow.Key, Operation: flow.Operation}
		i, known := index[c]
		if !known {
			i = len(out)
			index[c] = i
			out = append(out, c)
		}
		c.Calls, c.Throttled = use.calls*months, use.throttled
		if !flow.Unbilled {
			c.Amount = c.Calls * effective[priceClass(flow.Operation, flow.KeySpec)]
		}
		if !managed(flow.Key) && o.Keys == 0 {
			c.Amount += o.Prices.Key * d.keys(flow.Key) / users[flow.Key]
		}
		out[i].Calls += c.Calls
		out[i].Throttled += c.Throttled
		out[i].Amount += c.Amount
	}
	slices.SortStableFunc(out, func(a, b results.PlanCause) int {
		switch {
		case a.Amount > b.Amount:
			return -1
		case a.Amount < b.Amount:
			return 1
		}
		return 0
	})
	return out
}

package plan

import (
	"math"

	"trent/loadgen/workload"
)

// keepDays is how long a key made for a run bills at the least: its deletion waits seven days.
const keepDays = 7

// Estimate is what a run may cost at the service's prices.
type Estimate struct {
	Currency    string
	Requests    uint64
	RequestCost float64 // of the requests, as the workload mixes them; free ones are not counted off
	DearestCost float64 // of one request of the dearest kind
	Keys        int     // made by the run
	KeyCost     float64 // until they are deleted, seven days later
}

// Total is the sum.
func (e Estimate) Total() float64 { return e.RequestCost + e.KeyCost }

// Estimate is what so many requests of a workload cost, with keys made for them; a nil workload is symmetric requests.
func (p *Prices) Estimate(w *workload.Workload, requests uint64, keys int) Estimate {
	e := Estimate{Currency: p.Currency, Requests: requests, Keys: keys, DearestCost: p.request("Encrypt", "SYMMETRIC_DEFAULT")}
	e.KeyCost = float64(keys) * p.Key * keepDays * 24 / (float64(p.Month) / 3.6e12)
	mean := e.DearestCost
	if w != nil {
		sum, weights := 0.0, 0.0
		e.DearestCost = 0
		for i := range w.Mix {
			entry := &w.Mix[i]
			spec := ""
			if g := entry.Group(); g >= 0 {
				spec = w.Keys[g].Spec
			}
			if workload.MakesPairs(entry.Operation) {
				spec = entry.PairSpec
			}
			price := p.request(entry.Operation, spec)
			sum += price * entry.Weight
			weights += entry.Weight
			e.DearestCost = max(e.DearestCost, price)
		}
		mean = sum / weights
	}
	e.RequestCost = float64(requests) * mean
	return e
}

// Affordable is the most requests that fit into a sum together with the estimate's keys, all of the dearest kind; 0 where not
// even the keys do.
func (e Estimate) Affordable(most float64) uint64 {
	left := most - e.KeyCost
	if left <= 0 || e.DearestCost <= 0 {
		return 0
	}
	return uint64(math.Min(left/e.DearestCost, math.MaxUint32))
}

// request is the price of one request.
func (p *Prices) request(operation, spec string) float64 {
	class := priceClass(operation, spec)
	for i := range p.Classes {
		if p.Classes[i].Name == class {
			return p.Classes[i].Per10000 / 10_000
		}
	}
	return 0 // ParsePrices wants every class
}

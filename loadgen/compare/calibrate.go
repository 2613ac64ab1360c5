package compare

import (
	"context"
	"fmt"
	"time"

	"trent/loadgen/measure"
	"trent/loadgen/schedule"
	"trent/results"
)

// Bounds of the search for a side's top rate.
const (
	firstOffer  = 100.0 // a second
	growth      = 1.5
	maxOffers   = 40
	offerLength = time.Second
	misses      = 2
	enough      = 0.5  // of what was offered; below, a side is beyond its limit
	answered    = 0.95 // of what was offered; above, a side is not saturated
)

// rateGiven is how a rate was chosen that the user gave.
const rateGiven = "given"

// calibrate warms both sides up and finds their top rates where they are needed: for a rate that was not given, and to saturate.
func (r *run) calibrate(ctx context.Context) error {
	if r.Rate > 0 && !r.saturates() {
		r.result.RateFrom = rateGiven
		for _, side := range r.sides {
			r.Display.Prefix("warming " + side.Name + " up  ")
			if _, _, err := r.load(ctx, side, schedule.Poisson(r.Rate, r.Round, r.Seed), r.Seed, r.Timeout); err != nil {
				return err
			}
		}
		return nil
	}
	for _, side := range r.sides {
		if err := r.findTop(ctx, side); err != nil {
			return err
		}
	}
	r.result.RateFrom = rateGiven
	if r.Rate == 0 {
		slower := min(r.sides[0].top, r.sides[1].top)
		r.Rate = round2(r.Load * slower)
		r.result.RateFrom = fmt.Sprintf("%.0f %% of the slower side's top rate", r.Load*100)
	}
	return nil
}

// findTop offers more and more until the side twice leaves more than half unanswered in time, which a mere stall of the machine
// seldom does; its top rate is the most it answered.
func (r *run) findTop(ctx context.Context, side *running) error {
	missed := 0
	rate := firstOffer
	for range maxOffers {
		if missed == misses || ctx.Err() != nil {
			break
		}
		r.Display.Prefix(fmt.Sprintf("looking for the top rate of %s: %.0f/s  ", side.Name, rate))
		res, _, err := r.load(ctx, side, schedule.Constant(rate, offerLength), r.Seed, min(r.Timeout, 2*time.Second))
		if err != nil {
			return err
		}
		done := answeredRate(res.Summary, offerLength)
		if ok := res.Summary.Count(measure.OK); ok == 0 {
			return fmt.Errorf("%s answered none of %d requests well: %v", side.Name, res.Summary.Asked(), res.Summary.Errors)
		}
		side.top = max(side.top, done)
		if r.own(&res.Usage) > maxOwn {
			r.note("The client was full at %.0f/s on %s, whose top rate may be higher.", rate, side.Name)
			break
		}
		if missed++; done >= enough*rate {
			missed = 0
			rate *= growth
		}
	}
	return ctx.Err()
}

// round2 keeps two significant digits: a rate that people can repeat.
func round2(v float64) float64 {
	scale := 1.0
	for v/scale >= 100 {
		scale *= 10
	}
	if v < 10 {
		return v
	}
	return float64(int(v/scale)) * scale
}

// top is a side's for the record.
func (s *running) subject() results.Subject {
	return results.Subject{Name: s.Name, Kind: s.Kind, Command: s.command, URL: s.Target.URL, TopRate: s.top}
}

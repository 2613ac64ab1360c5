package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Grammar is the form of a specification, for help texts.
const Grammar = `RATE[/s|/m|/h] DURATION            constant, e.g. "500/s 10s"
linear:FROM-TO DURATION            e.g. "linear:100-1000 30s"
steps:RATExDURATION[,…]            e.g. "steps:100x5s,200x5s"
sine:MEAN~SWING/PERIOD DURATION    e.g. "sine:500~200/10s 1m"
bursts:HITSxEVERY DURATION         e.g. "bursts:50x1s 10s"
poisson:RATE DURATION              random arrivals; also before any form above, e.g. "poisson:linear:100-1000 30s"
trace:FILE [×SPEED]                due times from a file, e.g. "trace:arrivals.txt.gz ×2"`

// Parse reads a specification as Grammar gives it. The seed is used by Poisson schedules only. Errors name the part that is
// wrong and what was expected there. A trace's file is opened and checked; whatever it is called, it must be a regular file.
func Parse(spec string, seed uint64) (Schedule, error) {
	s, err := parse(strings.TrimSpace(spec), seed)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	return s, nil
}

func parse(spec string, seed uint64) (Schedule, error) {
	if rest, ok := strings.CutPrefix(spec, "poisson:"); ok {
		if strings.HasPrefix(rest, "poisson:") {
			return nil, fmt.Errorf("poisson: given twice")
		}
		if strings.HasPrefix(rest, "trace:") {
			return nil, fmt.Errorf("poisson: a trace has its own arrivals")
		}
		s, err := parse(rest, seed)
		if err != nil {
			return nil, err
		}
		return Randomise(s, seed), nil
	}
	if rest, ok := strings.CutPrefix(spec, "trace:"); ok {
		return parseTrace(rest)
	}
	if rest, ok := strings.CutPrefix(spec, "steps:"); ok {
		return parseSteps(rest)
	}
	kind, body := "", spec
	if before, after, ok := strings.Cut(spec, ":"); ok {
		kind, body = before, after
	}
	body, last, ok := strings.Cut(body, " ")
	if !ok {
		return nil, fmt.Errorf("no duration: expected a space and a duration such as 10s at the end")
	}
	d, err := parseDuration("duration", strings.TrimSpace(last))
	if err != nil {
		return nil, err
	}
	switch kind {
	case "", "constant":
		rate, err := parseRate("rate", body)
		if err != nil {
			return nil, err
		}
		return Constant(rate, d), nil
	case "linear":
		from, to, err := parsePair(body, "-", "FROM-TO")
		if err != nil {
			return nil, err
		}
		return Linear(from, to, d), nil
	case "sine":
		return parseSine(body, d)
	case "bursts":
		return parseBursts(body, d)
	}
	return nil, fmt.Errorf("unknown kind %q: expected constant, linear, steps, sine, bursts, poisson or trace", kind)
}

func parseSteps(list string) (Schedule, error) {
	var all []Step
	var total time.Duration
	for i, item := range strings.Split(list, ",") {
		r, d, ok := strings.Cut(item, "x")
		if !ok {
			return nil, fmt.Errorf("step %d %q: expected RATExDURATION", i+1, item)
		}
		rate, err := parseRateOrZero(fmt.Sprintf("rate of step %d", i+1), strings.TrimSpace(r))
		if err != nil {
			return nil, err
		}
		length, err := parseDuration(fmt.Sprintf("duration of step %d", i+1), strings.TrimSpace(d))
		if err != nil {
			return nil, err
		}
		if total += length; total > MaxDuration {
			return nil, fmt.Errorf("steps last longer than %v", MaxDuration)
		}
		all = append(all, Step{Rate: rate, Duration: length})
	}
	return Steps(all), nil
}

func parseSine(body string, d time.Duration) (Schedule, error) {
	rates, period, ok := strings.Cut(body, "/")
	if !ok {
		return nil, fmt.Errorf("%q: expected MEAN~SWING/PERIOD", body)
	}
	mean, swing, err := parsePair(rates, "~", "MEAN~SWING")
	if err != nil {
		return nil, err
	}
	if mean == 0 || swing > mean {
		return nil, fmt.Errorf("mean %v must be above 0 and swing %v at most the mean", mean, swing)
	}
	p, err := parseDuration("period", period)
	if err != nil {
		return nil, err
	}
	return Sine(mean, swing, p, d), nil
}

func parseBursts(body string, d time.Duration) (Schedule, error) {
	size, every, ok := strings.Cut(body, "x")
	n, err := strconv.Atoi(size)
	if !ok || err != nil || n < 1 || n > MaxRate {
		return nil, fmt.Errorf("%q: expected HITSxEVERY with 1 to %d hits", body, MaxRate)
	}
	gap, err := parseDuration("interval of the bursts", every)
	if err != nil {
		return nil, err
	}
	if float64(n)/gap.Seconds() > MaxRate {
		return nil, fmt.Errorf("%q: more than %d hits a second", body, MaxRate)
	}
	return Bursts(n, gap, d), nil
}

func parsePair(s, separator, form string) (a, b float64, err error) {
	left, right, ok := strings.Cut(s, separator)
	if !ok {
		return 0, 0, fmt.Errorf("%q: expected %s", s, form)
	}
	if a, err = parseRateOrZero("first rate", left); err != nil {
		return 0, 0, err
	}
	b, err = parseRateOrZero("second rate", right)
	return a, b, err
}

func parseRate(what, s string) (float64, error) {
	rate, err := parseRateOrZero(what, s)
	if err == nil && rate == 0 {
		err = fmt.Errorf("%s %q must be above 0", what, s)
	}
	return rate, err
}

func parseRateOrZero(what, s string) (float64, error) {
	number, unit := s, 1.0
	for suffix, per := range map[string]float64{"/s": 1, "/m": 60, "/h": 3600} {
		if before, ok := strings.CutSuffix(s, suffix); ok {
			number, unit = before, per
		}
	}
	rate, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "_xXpPnN") {
		return 0, fmt.Errorf("%s %q is no number of hits a second", what, s)
	}
	rate /= unit
	switch {
	case !(rate >= 0):
		return 0, fmt.Errorf("%s %q is negative", what, s)
	case rate > MaxRate:
		return 0, fmt.Errorf("%s %q is above the limit of %d a second", what, s, MaxRate)
	case rate > 0 && rate < 1e-6:
		return 0, fmt.Errorf("%s %q is below one hit in 1,000,000 s", what, s)
	}
	return rate, nil
}

func parseDuration(what, s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s %q: expected a duration such as 10s or 1m30s", what, s)
	case d <= 0:
		return 0, fmt.Errorf("%s %q must be above 0", what, s)
	case d > MaxDuration:
		return 0, fmt.Errorf("%s %q is above the limit of %v", what, s, MaxDuration)
	}
	return d, nil
}

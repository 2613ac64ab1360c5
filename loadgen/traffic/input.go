package traffic

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Kind is how an input is written.
type Kind string

// The kinds of inputs.
const (
	RateInput     Kind = "rate"     // 1500/s, 20k/day, 49M/month
	CountInput    Kind = "count"    // 300, 20k
	NumberInput   Kind = "number"   // 2.5
	DurationInput Kind = "duration" // 300s, 5m, 24h, 31d
	ClockInput    Kind = "clock"    // 09:00, a time of day
	SwitchInput   Kind = "switch"   // true or false
	ChoiceInput   Kind = "choice"   // one of Choices
	CallsInput    Kind = "calls"    // operations and their rates
)

// Input is what a model must be told.
type Input struct {
	Name    string   `json:"name"`
	Kind    Kind     `json:"kind"`
	Default string   `json:"default,omitempty"` // as written; "" with a kind of figure is 0
	Choices []string `json:"choices,omitempty"`
	Text    string   `json:"text"`
	Least   float64  `json:"least,omitempty"` // smallest figure taken; a duration's in seconds
}

// value is an input as given or by default.
type value struct {
	input  Input
	text   string  // as written
	figure float64 // calls a second, a number, seconds, or 1 for true
	calls  []namedRate
	given  bool
}

type namedRate struct {
	operation string
	rate      float64
}

// Bounds of what a file may say, far above what any system does and far below what arithmetic bears.
const (
	maxRate     = 1e9              // calls a second
	maxCount    = 1e12             //
	maxDuration = 3660 * 24 * 3600 // seconds: ten years
)

// figureOf reads a scalar by its kind.
func figureOf(in Input, text string) (float64, error) {
	var v float64
	var err error
	switch in.Kind {
	case RateInput:
		v, err = parseRate(text)
	case CountInput:
		if v, err = parseNumber(text, maxCount); err == nil && v != math.Trunc(v) {
			err = fmt.Errorf("%q is no whole number", text)
		}
	case NumberInput:
		v, err = parseNumber(text, maxCount)
	case DurationInput:
		v, err = parseSeconds(text)
	case ClockInput:
		v, err = parseClock(text)
	case SwitchInput:
		switch text {
		case "true":
			v = 1
		case "false":
		default:
			err = fmt.Errorf("%q: expected true or false", text)
		}
	case ChoiceInput:
		for _, c := range in.Choices {
			if c == text {
				return 0, nil
			}
		}
		err = fmt.Errorf("%q: expected one of %s", text, strings.Join(in.Choices, ", "))
	default:
		err = fmt.Errorf("%q: expected operations and their rates, such as {Decrypt: 20/s}", text)
	}
	if err == nil && v < in.Least {
		err = fmt.Errorf("%q is below the least, %s", text, in.least())
	}
	return v, err
}

func (in Input) least() string {
	if in.Kind == DurationInput {
		return time.Duration(in.Least * float64(time.Second)).String()
	}
	return number(in.Least)
}

var units = map[string]float64{"s": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600,
	"d": 86400, "day": 86400, "week": 7 * 86400, "month": Month.Seconds(), "year": 12 * Month.Seconds()}

// parseRate reads "NUMBER/UNIT", with k, M or G behind the number.
func parseRate(text string) (float64, error) {
	amount, unit, ok := strings.Cut(text, "/")
	per, known := units[strings.TrimSpace(unit)]
	if ok && !known {
		return 0, fmt.Errorf("%q: unknown unit of time %q: expected s, min, h, day, week, month or year", text, unit)
	}
	v, err := parseNumber(strings.TrimSpace(amount), 1e18)
	switch {
	case err != nil:
		return 0, err
	case !ok && v != 0:
		return 0, fmt.Errorf("%q does not say per what time: write %s/s, /min, /h, /day, /week or /month", text, text)
	case !ok:
		return 0, nil
	case v/per > maxRate:
		return 0, fmt.Errorf("%q is above the limit of %g a second", text, float64(maxRate))
	}
	return v / per, nil
}

var multiples = map[byte]float64{'k': 1e3, 'M': 1e6, 'G': 1e9}

// plain is a decimal number: no hexadecimal, no infinity, no underscores.
var plain = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?$`)

func parseNumber(text string, most float64) (float64, error) {
	digits, times := text, 1.0
	if n := len(text); n > 1 {
		if m, ok := multiples[text[n-1]]; ok {
			digits, times = text[:n-1], m
		}
	}
	if !plain.MatchString(digits) {
		return 0, fmt.Errorf("%q is no number of 0 or more, such as 300, 2.5 or 20k", text)
	}
	v, err := strconv.ParseFloat(digits, 64)
	if v *= times; err != nil || v > most {
		return 0, fmt.Errorf("%q is above the limit of %g", text, most)
	}
	return v, nil
}

// parseSeconds reads a duration as Go writes it, or days such as 31d.
func parseSeconds(text string) (float64, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		v, err := parseNumber(days, maxDuration/86400)
		if err != nil {
			return 0, fmt.Errorf("%q: expected days such as 31d, at most 3660d", text)
		}
		return v * 86400, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q: expected a duration such as 300s, 5m, 24h or 31d", text)
	case d < 0 || d.Seconds() > maxDuration:
		return 0, fmt.Errorf("%q: expected a duration from 0 to 3660d", text)
	}
	return d.Seconds(), nil
}

var clock = regexp.MustCompile(`^([01][0-9]|2[0-3]):([0-5][0-9])(:([0-5][0-9]))?$`)

// parseClock reads a time of day as seconds since midnight.
func parseClock(text string) (float64, error) {
	m := clock.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q: expected a time of day such as 09:00", text)
	}
	total := 0.0
	for _, part := range []string{m[1], m[2], m[4]} {
		n, _ := strconv.Atoi(part) // two digits, or "" for no seconds
		total = total*60 + float64(n)
	}
	return total, nil
}

// ParseClock reads a time of day such as 09:00, as time since midnight.
func ParseClock(text string) (time.Duration, error) {
	v, err := parseClock(text)
	return seconds(v), err
}

// number writes a figure for formulas: at most six digits, no exponent below a million.
func number(v float64) string {
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', 6, 64)
}

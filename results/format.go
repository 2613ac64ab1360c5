package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// formatDuration gives three significant digits and a unit: 850 µs, 12.3 ms, 1.20 s.
func formatDuration(d time.Duration) string {
	switch v := float64(d); {
	case d <= 0:
		return "0"
	case v < 1e3:
		return fmt.Sprintf("%d ns", d)
	case v < 999.5e3:
		return digits(v/1e3) + " µs"
	case v < 999.5e6:
		return digits(v/1e6) + " ms"
	default:
		return digits(v/1e9) + " s"
	}
}

// digits prints v, 1 or above, with three significant digits.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// formatCount groups digits by thousands: 12,345.
func formatCount(n uint64) string {
	text := strconv.FormatUint(n, 10)
	var out strings.Builder
	for i, c := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// formatRate is a rate a second with at least three digits.
func formatRate(r float64) string {
	switch {
	case math.IsNaN(r) || math.IsInf(r, 0) || r < 0:
		return "–"
	case r == 0:
		return "0"
	case r < 100:
		return strconv.FormatFloat(r, 'g', 3, 64)
	}
	return formatCount(uint64(math.Round(r)))
}

// formatShare is a percentage with as many digits as tell small shares apart.
func formatShare(s float64) string {
	switch percent := s * 100; {
	case math.IsNaN(s):
		return "–"
	case percent == 0:
		return "0 %"
	case percent < 0.01:
		return "< 0.01 %"
	case percent < 1:
		return fmt.Sprintf("%.2f %%", percent)
	case percent > 99 && percent < 100:
		return fmt.Sprintf("%.2f %%", math.Floor(percent*100)/100)
	default:
		return fmt.Sprintf("%.1f %%", percent)
	}
}

// percentileName spells a share as a percentile: 0.999 is p99.9.
func percentileName(q float64) string {
	text := strconv.FormatFloat(q*100, 'f', 6, 64)
	return "p" + strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// value is the figure of a verdict in its unit.
func (v Verdict) format(figure *float64) string {
	if figure == nil {
		return "–"
	}
	switch v.Unit {
	case "ns":
		return formatDuration(time.Duration(*figure))
	case "share":
		return formatShare(*figure)
	}
	return formatRate(*figure) + "/s"
}

// FigureText is the judged value.
func (v Verdict) FigureText() string {
	if v.Never {
		return "never"
	}
	return v.format(v.Value)
}

// IntervalText is the 95 % interval.
func (v Verdict) IntervalText() string {
	if v.Low == nil && v.High == nil {
		return "–"
	}
	high := v.format(v.High)
	if v.High == nil {
		high = "never"
	}
	return v.format(v.Low) + " … " + high
}

// LimitText is the limit with its direction.
func (v Verdict) LimitText() string {
	if v.AtLeast {
		return "≥ " + v.format(&v.Limit)
	}
	return "≤ " + v.format(&v.Limit)
}

// PopulationText names what was judged.
func (v Verdict) PopulationText() string {
	if v.Population == "" {
		return "all hits"
	}
	return v.Population
}

// ReasonText explains a verdict where its figures do not: too many hits without an answer, too short a run.
func (v Verdict) ReasonText() string {
	var parts []string
	if v.Never && v.Answered > 0 {
		parts = append(parts, "hits without a good answer rank above all others; of the good answers alone it is "+formatDuration(v.Answered))
	}
	if v.Reason != "" {
		parts = append(parts, v.Reason)
	}
	if v.Needed > 0 {
		parts = append(parts, "run for "+v.Needed.String())
	}
	return strings.Join(parts, "; ")
}

// shellQuote joins a command line so that a shell reads it back as it was.
func shellQuote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`!*?[](){}<>|&;#~") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

package testclock

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// units of durations, the longest first.
var units = [...]struct {
	letter byte
	size   time.Duration
}{{'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}}

// ParseDuration reads a time such as 90d, 1d12h or 45s: whole numbers with d, h, m or s, the longer units first.
func ParseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a time such as 90d, 1d12h, 30m or 45s", text)
	var sum time.Duration
	rest, next := text, 0
	for rest != "" {
		i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if i <= 0 {
			return 0, bad
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		if err != nil {
			return 0, bad
		}
		for next < len(units) && units[next].letter != rest[i] {
			next++
		}
		if next == len(units) || n > int64((maxAhead-sum)/units[next].size) {
			return 0, bad
		}
		sum += time.Duration(n) * units[next].size
		rest, next = rest[i+1:], next+1
	}
	if text == "" {
		return 0, bad
	}
	return sum, nil
}

// FormatDuration writes a time as ParseDuration reads it, to the second.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range units {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%c", n, u.letter)
			d -= n * u.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

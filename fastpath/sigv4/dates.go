package sigv4

import (
	"net/http"
	"time"
)

// timestampLayout is ISO 8601's basic format, in UTC, as X-Amz-Date has it; its first eight bytes are the date.
const (
	timestampLayout = "20060102T150405Z"
	dateLength      = len("20060102")
)

// setTime reads a timestamp in basic format; false: it is not one.
func (c *claim) setTime(s []byte) bool {
	if len(s) != len(timestampLayout) || s[8] != 'T' || s[15] != 'Z' {
		return false
	}
	year, ok1 := digits(s[0:4])
	month, ok2 := digits(s[4:6])
	day, ok3 := digits(s[6:8])
	hour, ok4 := digits(s[9:11])
	minute, ok5 := digits(s[11:13])
	second, ok6 := digits(s[13:15])
	if !(ok1 && ok2 && ok3 && ok4 && ok5 && ok6) || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Day() != day || t.Month() != time.Month(month) {
		return false // the day or month does not exist: time.Date carried it over
	}
	c.time = t.Unix()
	copy(c.timestamp[:], s)
	return true
}

// setHTTPDate reads the forms of a Date header (RFC 9110, section 5.6.7); false: it has none of them.
func (c *claim) setHTTPDate(s []byte) bool {
	t, err := http.ParseTime(string(s))
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return false
	}
	c.time = t.Unix()
	t.UTC().AppendFormat(c.timestamp[:0], timestampLayout)
	return true
}

func digits(s []byte) (n int, ok bool) {
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

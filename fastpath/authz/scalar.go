package authz

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// number reads a decimal number, with a fraction or an exponent if need be.
func number(s string) (float64, bool) {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && s != ""
}

// date reads a date in one of the forms of W3C's profile of ISO 8601, or in seconds since 1970. Four digits are a year.
func date(s string) (time.Time, bool) {
	layout := ""
	switch n := len(s); {
	case n == 4:
		layout = "2006"
	case n == 7 && s[4] == '-':
		layout = "2006-01"
	case n == 10 && s[4] == '-':
		layout = time.DateOnly
	case n > 16 && s[10] == 'T' && s[16] == ':':
		layout = time.RFC3339
	case n > 16 && s[10] == 'T':
		layout = "2006-01-02T15:04Z07:00"
	default:
		seconds, ok := number(s)
		if !ok || seconds < -1e11 || seconds > 1e12 {
			return time.Time{}, false
		}
		whole := int64(seconds)
		return time.Unix(whole, int64((seconds-float64(whole))*1e9)), true
	}
	t, err := time.Parse(layout, s)
	return t, err == nil
}

// boolean reads true or false in any case, as 1 or 0.
func boolean(s string) (bit uint8, ok bool) {
	switch {
	case s == "true" || strings.EqualFold(s, "true"):
		return 1, true
	case strings.EqualFold(s, "false"):
		return 0, true
	}
	return 0, false
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// prefix reads an address range, or one address.
func prefix(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		ip, err := netip.ParseAddr(s)
		if err != nil || ip.Zone() != "" {
			return netip.Prefix{}, false
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, false
	}
	if ip := p.Addr(); ip.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, false
		}
		p = netip.PrefixFrom(ip.Unmap(), p.Bits()-96)
	}
	return p.Masked(), true
}

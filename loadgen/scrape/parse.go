package scrape

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the type that a TYPE line gives a family.
type Kind uint8

// The kinds that are told apart: a counter may be turned into a rate.
const (
	Untyped Kind = iota
	Counter
	Gauge
	Histogram
	Summary
)

// Sample is one value of one series.
type Sample struct {
	Name   string
	Labels []Label // ascending by name
	Kind   Kind    // of its family; the count, sum and buckets of a histogram or summary are Counter
	Value  float64
}

// Label is a name and its value.
type Label struct{ Name, Value string }

// Label returns the value of a label, "" without it.
func (s *Sample) Label(name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// ID is the series as the format writes it, its labels ascending: `name{a="1",b="2"}`.
func (s *Sample) ID() string {
	if len(s.Labels) == 0 {
		return s.Name
	}
	var b strings.Builder
	b.WriteString(s.Name)
	for i, l := range s.Labels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + `="` + escapes.Replace(l.Value) + `"`)
	}
	b.WriteByte('}')
	return b.String()
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// Bounds of what is parsed.
const (
	MaxBytes  = 16 << 20 // of one answer
	maxSeries = 200_000
	maxLabels = 64 // of one series
)

// ParseError is text that is not in the format.
type ParseError struct {
	Line, Column int // from 1; the column counts bytes
	What         string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("metrics:%d:%d: %s", e.Line, e.Column, e.What)
}

// Parse reads a whole exposition. Errors: a *ParseError for the first thing that is not in the format, also for too much
// of it, for a series that comes twice and for a family with two types.
func Parse(text []byte) ([]Sample, error) {
	if len(text) > MaxBytes {
		return nil, &ParseError{Line: 1, Column: 1, What: fmt.Sprintf("larger than %d bytes", MaxBytes)}
	}
	p := parser{kinds: map[string]Kind{}, seen: map[string]bool{}}
	ended := false
	for line := range strings.Lines(string(text)) {
		p.line++
		p.text, p.at = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), 0
		if ended {
			return nil, p.fail("text after # EOF")
		}
		var err error
		switch {
		case p.text == "# EOF":
			ended = true
		case strings.HasPrefix(p.text, "#"):
			err = p.comment()
		case strings.TrimLeft(p.text, " \t") != "":
			err = p.sample()
		}
		if err != nil {
			return nil, err
		}
	}
	return p.samples, nil
}

type parser struct {
	text     string // of the line
	line, at int
	kinds    map[string]Kind // by family
	seen     map[string]bool
	samples  []Sample
}

func (p *parser) fail(format string, args ...any) error {
	return &ParseError{Line: p.line, Column: p.at + 1, What: fmt.Sprintf(format, args...)}
}

var kinds = map[string]Kind{
	"counter": Counter, "gauge": Gauge, "histogram": Histogram, "summary": Summary,
	"untyped": Untyped, "unknown": Untyped, "info": Gauge, "stateset": Gauge, "gaugehistogram": Untyped,
}

// comment takes a TYPE line and passes over all others.
func (p *parser) comment() error {
	fields := strings.Fields(p.text[1:])
	if len(fields) == 0 || fields[0] != "TYPE" {
		return nil
	}
	if len(fields) != 3 {
		return p.fail("TYPE wants a name and a type")
	}
	kind, known := kinds[fields[2]]
	if !known {
		p.at = strings.LastIndex(p.text, fields[2])
		return p.fail("unknown type %q", fields[2])
	}
	if _, twice := p.kinds[fields[1]]; twice {
		return p.fail("%s has two types", fields[1])
	}
	p.kinds[fields[1]] = kind
	return nil
}

// sample reads `name{labels} value [timestamp] [# exemplar]`.
func (p *parser) sample() error {
	p.blanks()
	var s Sample
	if s.Name = p.name(true); s.Name == "" {
		return p.fail("wants the name of a metric")
	}
	if p.peek() == '{' {
		if err := p.labels(&s); err != nil {
			return err
		}
	}
	if c := p.peek(); c != ' ' && c != '\t' {
		return p.fail("wants a blank before the value")
	}
	start := p.at
	var err error
	if s.Value, err = p.value(); err != nil {
		return err
	}
	if err := p.rest(); err != nil {
		return err
	}
	s.Kind = p.kindOf(&s)
	id := s.ID()
	p.at = start
	switch {
	case p.seen[id]:
		return p.fail("%s comes twice", id)
	case len(p.samples) >= maxSeries:
		return p.fail("more than %d series", maxSeries)
	}
	p.seen[id] = true
	p.samples = append(p.samples, s)
	return nil
}

// rest checks what may follow the value: a timestamp, an exemplar.
func (p *parser) rest() error {
	p.blanks()
	if c := p.peek(); c != 0 && c != '#' {
		if _, err := p.value(); err != nil {
			return err
		}
		p.blanks()
	}
	if c := p.peek(); c != 0 && c != '#' {
		return p.fail("text after the sample")
	}
	return nil
}

// kindOf finds the type of a sample's family, whose name may lack the sample's suffix.
func (p *parser) kindOf(s *Sample) Kind {
	if kind, ok := p.kinds[s.Name]; ok {
		if kind == Summary || kind == Histogram {
			return Gauge // a quantile
		}
		return kind
	}
	for _, suffix := range []string{"_total", "_bucket", "_count", "_sum", "_created", "_info"} {
		family, ok := strings.CutSuffix(s.Name, suffix)
		if !ok {
			continue
		}
		switch kind, known := p.kinds[family]; {
		case !known:
		case suffix == "_created", suffix == "_info":
			return Gauge
		case kind == Histogram, kind == Summary, kind == Counter:
			return Counter
		default:
			return kind
		}
	}
	if strings.HasSuffix(s.Name, "_total") {
		return Counter // by the naming rules of both formats, where the type was left out
	}
	return Untyped
}

func (p *parser) labels(s *Sample) error {
	p.at++
	for {
		p.blanks()
		if p.peek() == '}' {
			p.at++
			break
		}
		start := p.at
		l := Label{Name: p.name(false)}
		if l.Name == "" {
			return p.fail("wants the name of a label")
		}
		if slices.ContainsFunc(s.Labels, func(other Label) bool { return other.Name == l.Name }) {
			p.at = start
			return p.fail("label %s comes twice", l.Name)
		}
		p.blanks()
		if p.peek() != '=' {
			return p.fail("wants = after the name of a label")
		}
		p.at++
		p.blanks()
		var err error
		if l.Value, err = p.quoted(); err != nil {
			return err
		}
		if s.Labels = append(s.Labels, l); len(s.Labels) > maxLabels {
			return p.fail("more than %d labels", maxLabels)
		}
		p.blanks()
		switch p.peek() {
		case ',':
			p.at++
		case '}':
		default:
			return p.fail("wants , or } after a label")
		}
	}
	slices.SortFunc(s.Labels, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

func (p *parser) quoted() (string, error) {
	if p.peek() != '"' {
		return "", p.fail("wants a value in quotes")
	}
	start := p.at
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			if !utf8.ValidString(b.String()) {
				p.at = start
				return "", p.fail("not UTF-8")
			}
			return b.String(), nil
		case '\\':
			p.at++
			switch p.peek() {
			case 'n':
				b.WriteByte('\n')
			case '\\', '"':
				b.WriteByte(p.text[p.at])
			default:
				return "", p.fail(`after \ wants n, \ or "`)
			}
		default:
			b.WriteByte(c)
		}
	}
	p.at = start
	return "", p.fail("the quotes do not end")
}

// value reads a number as the format has it: what strconv takes, but no hexadecimal and no underscores.
func (p *parser) value() (float64, error) {
	p.blanks()
	end := p.at
	for end < len(p.text) && p.text[end] != ' ' && p.text[end] != '\t' {
		end++
	}
	text := p.text[p.at:end]
	v, err := strconv.ParseFloat(text, 64)
	if strings.ContainsAny(text, "xX_pP") || err != nil && !math.IsInf(v, 0) || text == "" {
		return 0, p.fail("%.40q is not a number", text)
	}
	p.at = end
	return v, nil
}

func (p *parser) name(metric bool) string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || metric && c == ':'
		if !letter && (p.at == start || c < '0' || c > '9') {
			break
		}
		p.at++
	}
	return p.text[start:p.at]
}

func (p *parser) blanks() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// peek is the next byte, 0 at the end of the line.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

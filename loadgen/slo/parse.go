package slo

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"trent/loadgen/yamlfile"
)

// maxFile bounds an SLO file; real ones have a few hundred bytes.
const maxFile = 64 << 10

// Error is a mistake in an SLO file, at a place.
type Error = yamlfile.Error

// Load reads an SLO file. Errors: *Error for its content, else why it cannot be read.
func Load(path string) (Limits, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Limits{}, fmt.Errorf("reading the SLO file: %w", err)
	}
	return Parse(path, data)
}

// Parse parses the text of an SLO file; name appears in errors. Errors: *Error.
func Parse(name string, data []byte) (Limits, error) {
	body, err := yamlfile.Document(name, data, maxFile, "with at least one limit")
	if err != nil {
		return Limits{}, err
	}
	p := &reader{file: name}
	limits := p.limits(body)
	if p.err != nil {
		return Limits{}, p.err
	}
	limits.Source = string(data)
	if limits.Name == "" {
		limits.Name = name
	}
	if limits.Empty() {
		return Limits{}, &Error{File: name, Message: "has no limit; give at least one of latency, throughput, errors"}
	}
	return limits, nil
}

// reader walks the syntax tree and keeps the first error. Walking it by hand gives every value its place.
type reader struct {
	file string
	err  *Error
}

func (p *reader) fail(node ast.Node, format string, args ...any) {
	if p.err != nil {
		return
	}
	p.err = &Error{File: p.file, Message: fmt.Sprintf(format, args...)}
	if token := node.GetToken(); token != nil && token.Position != nil {
		p.err.Line, p.err.Column = token.Position.Line, token.Position.Column
	}
}

// mapping calls field for each entry of a mapping; field returns false for a key it does not know.
func (p *reader) mapping(node ast.Node, what, known string, field func(key string, value ast.Node) bool) {
	mapping, ok := node.(*ast.MappingNode)
	if !ok {
		p.fail(node, "%s wants keys: %s", what, known)
		return
	}
	seen := map[string]bool{}
	for _, entry := range mapping.Values {
		if entry.Key == nil || entry.Value == nil {
			p.fail(node, "%s has an empty entry", what)
			return
		}
		name, ok := entry.Key.(*ast.StringNode)
		if !ok {
			p.fail(entry.Key, "%s wants plain keys: %s", what, known)
			return
		}
		if seen[name.Value] {
			p.fail(entry.Key, "%q is given twice", name.Value)
			return
		}
		seen[name.Value] = true
		if !field(name.Value, entry.Value) {
			p.fail(entry.Key, "unknown key %q in %s; known: %s", name.Value, what, known)
			return
		}
	}
}

// text is a scalar as written.
func (p *reader) text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.IntegerNode, *ast.FloatNode:
		return n.GetToken().Value
	}
	p.fail(node, "wants a single value")
	return ""
}

func (p *reader) limits(node ast.Node) Limits {
	var l Limits
	p.mapping(node, "the file", "name, latency, throughput, errors, throttles", func(key string, value ast.Node) bool {
		switch key {
		case "name":
			l.Name = p.text(value)
		case "latency":
			l.Latency = p.latency(value)
		case "throughput":
			l.Throughput = p.throughput(value)
		case "errors":
			l.Errors = p.maximum(value, "errors")
		case "throttles":
			l.Throttles = p.throttles(value)
		default:
			return false
		}
		return true
	})
	return l
}

func (p *reader) latency(node ast.Node) []LatencyLimit {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		p.fail(node, "latency wants a list of limits")
		return nil
	}
	var limits []LatencyLimit
	for _, item := range list.Values {
		if item == nil {
			p.fail(node, "latency has an empty entry")
			return nil
		}
		var limit LatencyLimit
		p.mapping(item, "a latency limit", "percentile, limit, operations", func(key string, value ast.Node) bool {
			switch key {
			case "percentile":
				limit.Percentile = p.percentile(value)
			case "limit":
				limit.Limit = p.duration(value)
			case "operations":
				limit.Operations, limit.Each = p.operations(value)
			default:
				return false
			}
			return true
		})
		if limit.Percentile == 0 || limit.Limit == 0 {
			p.fail(item, "a latency limit wants both percentile and limit")
		}
		limits = append(limits, limit)
	}
	return limits
}

func (p *reader) percentile(node ast.Node) float64 {
	text := strings.TrimPrefix(p.text(node), "p")
	percent, err := strconv.ParseFloat(text, 64)
	if err != nil || !(percent >= 1 && percent <= 99.999) {
		p.fail(node, "%q is not a percentile between 1 and 99.999", text)
		return 0
	}
	return math.Round(percent*1e6) / 1e8
}

func (p *reader) duration(node ast.Node) time.Duration {
	text := p.text(node)
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Microsecond || d > time.Hour {
		p.fail(node, "%q is not a duration from 1us to 1h, for example 10ms", text)
		return 0
	}
	return d
}

func (p *reader) operations(node ast.Node) (names []string, each bool) {
	if list, ok := node.(*ast.SequenceNode); ok {
		for _, item := range list.Values {
			if item == nil {
				p.fail(node, "operations has an empty entry")
				return nil, false
			}
			names = append(names, p.text(item))
		}
		if len(names) == 0 {
			p.fail(node, "operations is empty; leave it out to judge all hits together")
		}
		return names, false
	}
	switch text := p.text(node); text {
	case "all":
		return nil, false
	case "each":
		return nil, true
	default:
		p.fail(node, "operations wants a list, all or each, not %q", text)
		return nil, false
	}
}

func (p *reader) throughput(node ast.Node) *ThroughputLimit {
	var limit *ThroughputLimit
	p.mapping(node, "throughput", "minimum", func(key string, value ast.Node) bool {
		if key != "minimum" {
			return false
		}
		text := p.text(value)
		if rate, ok := strings.CutSuffix(text, "/s"); ok {
			perSecond, err := strconv.ParseFloat(strings.TrimSpace(rate), 64)
			if err != nil || !(perSecond > 0 && perSecond <= 1e9) {
				p.fail(value, "%q is not a rate, for example 450/s", text)
			}
			limit = &ThroughputLimit{PerSecond: perSecond}
			return true
		}
		share := p.share(value)
		if share == 0 {
			p.fail(value, "a minimum of 0 limits nothing")
		}
		limit = &ThroughputLimit{Share: share}
		return true
	})
	if limit == nil {
		p.fail(node, "throughput wants minimum")
	}
	return limit
}

func (p *reader) maximum(node ast.Node, what string) *float64 {
	var limit *float64
	p.mapping(node, what, "maximum", func(key string, value ast.Node) bool {
		if key != "maximum" {
			return false
		}
		share := p.share(value)
		limit = &share
		return true
	})
	if limit == nil {
		p.fail(node, "%s wants maximum", what)
	}
	return limit
}

func (p *reader) throttles(node ast.Node) ThrottleRule {
	var rule ThrottleRule
	var maximum ast.Node
	p.mapping(node, "throttles", "rule, maximum", func(key string, value ast.Node) bool {
		switch key {
		case "rule":
			switch text := p.text(value); text {
			case "fail", "exclude":
				rule.Exclude = text == "exclude"
			default:
				p.fail(value, "rule wants fail or exclude, not %q", text)
			}
		case "maximum":
			share := p.share(value)
			rule.Maximum, maximum = &share, value
		default:
			return false
		}
		return true
	})
	if maximum != nil && !rule.Exclude {
		p.fail(maximum, "maximum goes with rule: exclude; with fail a throttled hit is an error")
	}
	if maximum == nil && rule.Exclude {
		p.fail(node, "rule: exclude wants maximum, the share of hits due that may be throttled, for example 5%%")
	}
	return rule
}

// share reads a percentage, "0.1%".
func (p *reader) share(node ast.Node) float64 {
	text := p.text(node)
	number, ok := strings.CutSuffix(text, "%")
	percent, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(percent >= 0 && percent <= 100) {
		p.fail(node, "%q is not a share, for example 0.1%%", text)
		return 0
	}
	return percent / 100
}

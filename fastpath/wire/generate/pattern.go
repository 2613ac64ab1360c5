package main

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"trent/fastpath/model"
)

// asciiPattern has a matcher of its own: it is on the path of every request.
const asciiPattern = `^\p{ASCII}+$`

// latin is one more than the highest code point that a pattern may admit.
const latin = 256

// automaton is a pattern as a deterministic automaton over code points below latin.
type automaton struct {
	classOf [latin]uint8
	classes int
	next    [][]uint8 // by state and class; state 0 is dead, 1 the start
	final   uint64
}

// compile turns a pattern of the model (Java's notation) into an automaton that matches whole values.
func compile(pattern string) (*automaton, error) {
	// Java's \uXXXX is Go's \x{XXXX}; everything else the model uses is common to both.
	goPattern := strings.ReplaceAll(pattern, `\u`, `\x`)
	for i := 0; ; {
		at := strings.Index(goPattern[i:], `\x`)
		if at < 0 {
			break
		}
		at += i + 2
		if len(goPattern) < at+4 {
			return nil, fmt.Errorf("pattern %s: short escape", pattern)
		}
		goPattern = goPattern[:at] + "{" + goPattern[at:at+4] + "}" + goPattern[at+4:]
		i = at
	}
	tree, err := syntax.Parse(goPattern, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	for _, inst := range prog.Inst {
		switch inst.Op {
		case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			return nil, fmt.Errorf("pattern %s: unknown form", pattern)
		case syntax.InstRune, syntax.InstRune1:
			if len(inst.Rune) > 0 && inst.Rune[len(inst.Rune)-1] >= latin {
				return nil, fmt.Errorf("pattern %s: code points above U+00FF", pattern)
			}
		case syntax.InstEmptyWidth:
			if op := syntax.EmptyOp(inst.Arg); op != syntax.EmptyBeginText && op != syntax.EmptyEndText {
				return nil, fmt.Errorf("pattern %s: unknown anchor", pattern)
			}
		}
	}
	return determinize(pattern, prog)
}

// closure adds the instructions that can be reached without reading, given which anchors hold.
func closure(prog *syntax.Prog, pcs []uint32, holds syntax.EmptyOp) []uint32 {
	var set []uint32
	for len(pcs) > 0 {
		pc := pcs[len(pcs)-1]
		pcs = pcs[:len(pcs)-1]
		if slices.Contains(set, pc) {
			continue
		}
		set = append(set, pc)
		switch inst := &prog.Inst[pc]; inst.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			pcs = append(pcs, inst.Out, inst.Arg)
		case syntax.InstCapture, syntax.InstNop:
			pcs = append(pcs, inst.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(inst.Arg)&^holds == 0 {
				pcs = append(pcs, inst.Out)
			}
		}
	}
	slices.Sort(set)
	return set
}

// determinize is the subset construction, with code points joined into classes afterwards.
func determinize(pattern string, prog *syntax.Prog) (*automaton, error) {
	start := closure(prog, []uint32{uint32(prog.Start)}, syntax.EmptyBeginText)
	states := [][]uint32{nil, start}
	var rows [][latin]uint8
	rows = append(rows, [latin]uint8{})
	a := &automaton{}
	for at := 1; at < len(states); at++ {
		holds := syntax.EmptyEndText
		if at == 1 {
			holds |= syntax.EmptyBeginText
		}
		for _, pc := range closure(prog, slices.Clone(states[at]), holds) {
			if prog.Inst[pc].Op == syntax.InstMatch {
				a.final |= 1 << at
			}
		}
		var row [latin]uint8
		for c := range latin {
			var after []uint32
			for _, pc := range states[at] {
				if inst := &prog.Inst[pc]; (inst.Op == syntax.InstRune || inst.Op == syntax.InstRune1) && inst.MatchRune(rune(c)) {
					after = append(after, inst.Out)
				}
			}
			if len(after) == 0 {
				continue
			}
			set := closure(prog, after, 0)
			to := slices.IndexFunc(states[1:], func(s []uint32) bool { return slices.Equal(s, set) }) + 1
			if to == 0 {
				if len(states) == 64 {
					return nil, fmt.Errorf("pattern %s: more than 64 states", pattern)
				}
				to = len(states)
				states = append(states, set)
			}
			row[c] = uint8(to)
		}
		rows = append(rows, row)
	}
	a.join(rows)
	return a, nil
}

// join gives equal columns one class.
func (a *automaton) join(rows [][latin]uint8) {
	a.next = make([][]uint8, len(rows))
	var columns []string
	for c := range latin {
		column := make([]byte, len(rows))
		for s := range rows {
			column[s] = rows[s][c]
		}
		at := slices.Index(columns, string(column))
		if at < 0 {
			at = len(columns)
			columns = append(columns, string(column))
			for s := range rows {
				a.next[s] = append(a.next[s], column[s])
			}
		}
		a.classOf[c] = uint8(at)
	}
	a.classes = len(columns)
}

// matcher is the Go expression that matches a shape's pattern. Tables are named after the first shape that
// needs them.
func (p *plan) matcher(s *model.Shape) string {
	if s.Pattern == asciiPattern {
		return "isASCII"
	}
	at := slices.IndexFunc(p.patterns, func(o *model.Shape) bool { return o.Pattern == s.Pattern })
	if at < 0 {
		at = len(p.patterns)
		p.patterns = append(p.patterns, s)
	}
	return "pattern" + p.patterns[at].Name + ".match"
}

// emitPatterns writes the tables.
func emitPatterns(p *plan, out *printer) error {
	for _, s := range p.patterns {
		a, err := compile(s.Pattern)
		if err != nil {
			return err
		}
		out.f("// pattern%s is %s\nvar pattern%s = dfa{\nclassOf: [256]uint8{", s.Name, s.Pattern, s.Name)
		for c, class := range a.classOf {
			if class != 0 {
				out.f("%#02x: %d, ", c, class)
			}
		}
		out.f("},\nclasses: %d,\nnext: []uint8{\n", a.classes)
		for _, row := range a.next {
			for _, to := range row {
				out.f("%d, ", to)
			}
			out.f("\n")
		}
		out.f("},\nfinal: %#x,\n}\n\n", a.final)
	}
	return nil
}

package fastpath_test

import (
	"encoding/base64"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"

	"trent/fastpath/model"
)

// draws makes requests by chance, from the constraints of the API's model. What answers bring (ciphertexts, signatures,
// tokens, grant ids, markers, …) goes into later requests.
type draws struct {
	*rand.Rand
	keys   []drawnKey
	names  []string            // that lead to no key
	values map[string][]string // by member name: what was answered, and what is worth trying
}

// drawnKey is a key of the pool with what it can do.
type drawnKey struct {
	id, arn, spec, usage, origin string
	algorithms                   []string
}

func (d *draws) percent(p int) bool { return d.IntN(100) < p }

func oneOf[T any](d *draws, all ...T) T { return all[d.IntN(len(all))] }

// keepValues bounds what is kept of one member.
const keepValues = 64

// keep puts a value into later requests, in the place of a random one where there are many.
func (d *draws) keep(member, value string) {
	if all := d.values[member]; len(all) >= keepValues {
		all[d.IntN(len(all))] = value
	} else {
		d.values[member] = append(all, value)
	}
}

// harvest keeps the strings of an answer, at any depth.
func (d *draws) harvest(member string, v any) {
	switch v := v.(type) {
	case string:
		if !strings.HasPrefix(v, "alias/aws/") { // all the service's own would leave no room for others
			d.keep(member, v)
		}
	case []any:
		for _, e := range v {
			d.harvest(member, e)
		}
	case map[string]any:
		for _, name := range sortedNames(v) {
			d.harvest(name, v[name])
		}
	}
}

func sortedNames(v map[string]any) []string {
	names := make([]string, 0, len(v))
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sources are where a request's member finds values that answers gave under other names.
var sources = map[string]string{
	"Marker": "NextMarker", "GrantTokens": "GrantToken", "SourceCiphertext": "CiphertextBlob",
	"RetiringPrincipal": "GranteePrincipal", "KeyStoreId": "CustomKeyStoreId", "Ciphertext": "CiphertextBlob",
	"PrivateKeyCiphertextBlob": "CiphertextBlob", "SharedSecretCiphertextBlob": "CiphertextBlob",
}

// value draws a JSON value for a shape: mostly one that fits it.
func (d *draws) value(member string, s *model.Shape) any {
	if d.percent(2) {
		return oneOf[any](d, nil, 5, "x", []any{}, map[string]any{}, true, 1.5, -1, 1<<40)
	}
	switch s.Kind {
	case model.KindString:
		return d.text(member, s)
	case model.KindBlob:
		return d.blob(member, s)
	case model.KindInteger:
		return d.integer(s)
	case model.KindBoolean:
		return d.percent(25)
	case model.KindList:
		list := make([]any, d.count(s, 4))
		for i := range list {
			list[i] = d.value(member, model.ShapeOf(s.Element))
		}
		return list
	case model.KindMap:
		return oneOf(d, map[string]string{}, map[string]string{"a": "b"}, map[string]string{"": ""}, map[string]string{"b": "c", "a": "b"})
	case model.KindStructure:
		return d.structure(s)
	}
	return d.IntN(1 << 31) // a time
}

func (d *draws) count(s *model.Shape, few int) int {
	if s.Max.Set && d.percent(2) {
		return min(int(s.Max.Value)+1, 64)
	}
	return d.IntN(few)
}

func (d *draws) structure(s *model.Shape) map[string]any {
	body := map[string]any{}
	for _, m := range s.Members {
		percent := 30
		if m.Required {
			percent = 97
		}
		if m.Name == "GrantTokens" || m.Name == "Recipient" {
			percent = 5 // nearly always a refusal, which would hide what comes after it
		}
		if d.percent(percent) {
			body[m.Name] = d.value(m.Name, model.ShapeOf(m.Shape))
		}
	}
	return body
}

func (d *draws) text(member string, s *model.Shape) string {
	switch {
	case strings.HasSuffix(member, "KeyId"):
		return d.keyName()
	case len(s.Enum) > 0 && !d.percent(3):
		return oneOf(d, s.Enum...)
	}
	known := d.known(member)
	switch p := d.IntN(100); {
	case p < 60 && len(known) > 0:
		return oneOf(d, known...)
	case p < 90 && s.Pattern != "":
		return d.matching(s)
	}
	return oneOf(d, "", "a", "aws:a", "default", "ü", "\u0000", "\ufffd\u2028<&>\"\\", strings.Repeat("x", d.IntN(300)))
}

func (d *draws) known(member string) []string {
	known := d.values[member]
	if from, ok := sources[member]; ok {
		known = slices.Concat(known, d.values[from])
	}
	return known
}

// keyName is a name of a key that is there, in any form and of any spec, or of none.
func (d *draws) keyName() string {
	if d.percent(15) {
		return oneOf(d, d.names...)
	}
	k := &d.keys[d.IntN(len(d.keys))]
	return oneOf(d, k.id, k.arn)
}

func (d *draws) blob(member string, s *model.Shape) string {
	if known := d.known(member); len(known) > 0 && d.percent(70) {
		return oneOf(d, known...)
	}
	if d.percent(10) {
		return oneOf(d, "", "eA", "e A==", "=", "\u0000")
	}
	lengths := []int{1, 16, 20, 28, 32, 48, 64, 100}
	for _, b := range []model.Bound{s.Min, s.Max} {
		if b.Set && b.Value < 8<<10 {
			lengths = append(lengths, int(b.Value), int(b.Value)+1, max(0, int(b.Value)-1))
		}
	}
	raw := make([]byte, oneOf(d, lengths...))
	for i := range raw {
		raw[i] = byte(d.Uint32())
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func (d *draws) integer(s *model.Shape) int {
	values := []int{-1, 0, 1, 7, 16, 30, 100, 365, 1000}
	for _, b := range []model.Bound{s.Min, s.Max} {
		if b.Set {
			values = append(values, int(b.Value)-1, int(b.Value), int(b.Value)+1)
		}
	}
	return oneOf(d, values...)
}

// matching draws a text that a shape's pattern allows, within its bounds if some tries find one.
func (d *draws) matching(s *model.Shape) string {
	re, err := syntax.Parse(s.Pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	low, high := 1, 40
	if s.Min.Set {
		low = int(s.Min.Value)
	}
	if s.Max.Set {
		high = min(high, int(s.Max.Value))
	}
	high = max(low, high)
	text := ""
	for range 8 {
		text = d.match(re, low, high)
		if len(text) >= low && len(text) <= high {
			break
		}
	}
	return text
}

func (d *draws) match(re *syntax.Regexp, low, high int) string {
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		i := 2 * d.IntN(len(re.Rune)/2)
		first, last := re.Rune[i], min(re.Rune[i+1], 0xff)
		return string(first + rune(d.IntN(int(max(last-first, 0))+1)))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "."
	case syntax.OpCapture:
		return d.match(re.Sub[0], low, high)
	case syntax.OpAlternate:
		return d.match(oneOf(d, re.Sub...), low, high)
	case syntax.OpConcat:
		var b strings.Builder
		for _, sub := range re.Sub {
			b.WriteString(d.match(sub, low, high))
		}
		return b.String()
	case syntax.OpQuest:
		return d.repeat(re, 0, 1, low, high)
	case syntax.OpStar:
		return d.repeat(re, 0, high, low, high)
	case syntax.OpPlus:
		return d.repeat(re, low, high, low, high)
	case syntax.OpRepeat:
		return d.repeat(re, re.Min, max(re.Min, re.Max), low, high)
	}
	return "" // anchors
}

func (d *draws) repeat(re *syntax.Regexp, atLeast, atMost, low, high int) string {
	if sub := re.Sub[0]; sub.Op != syntax.OpCharClass && re.Op != syntax.OpRepeat {
		atLeast, atMost = min(atLeast, 1), min(atMost, 3) // of groups a few are enough
	}
	var b strings.Builder
	for range atLeast + d.IntN(max(atMost-atLeast, 0)+1) {
		b.WriteString(d.match(re.Sub[0], low, high))
	}
	return b.String()
}

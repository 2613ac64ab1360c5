package workload

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Bounds of a workload, chosen so that a mistake in a file shows before it fills an account or the memory.
const (
	maxKeys     = 1_000_000
	maxEntries  = 256
	maxVariants = 256
	maxContext  = 8 * 1024 // bytes of all names and values, the service's own limit for the encryption context
)

// complete fills in defaults and checks the workload. On failure it returns where (a path such as "$.mix[2].weight") and what.
func (w *Workload) complete() (path, message string) {
	if w.Name == "" {
		return "$", "name is missing"
	}
	for i := range w.Keys {
		at := fmt.Sprintf("$.keys[%d]", i)
		if path, message := w.completeGroup(i, at); message != "" {
			return path, message
		}
	}
	if n := w.KeyCount(); n > maxKeys {
		return "$.keys", fmt.Sprintf("%d keys are more than the limit of %d", n, maxKeys)
	}
	if len(w.Mix) == 0 {
		return "$", "mix is missing or empty"
	}
	if len(w.Mix) > maxEntries {
		return "$.mix", fmt.Sprintf("%d entries are more than the limit of %d", len(w.Mix), maxEntries)
	}
	seen := map[string]bool{}
	for i := range w.Mix {
		at := fmt.Sprintf("$.mix[%d]", i)
		e := &w.Mix[i]
		if path, message := w.completeEntry(e, at); message != "" {
			return path, message
		}
		if seen[e.Name] {
			return at, fmt.Sprintf("entry %q appears twice: give one of them a name of its own", e.Name)
		}
		seen[e.Name] = true
	}
	return "", ""
}

func (w *Workload) completeGroup(i int, at string) (path, message string) {
	g := &w.Keys[i]
	if g.Name == "" {
		return at, "key group has no name"
	}
	if slices.ContainsFunc(w.Keys[:i], func(o KeyGroup) bool { return o.Name == g.Name }) {
		return at + ".name", fmt.Sprintf("key group %q appears twice", g.Name)
	}
	if g.Spec == "" {
		g.Spec = symmetric
	}
	s, ok := specs[g.Spec]
	if !ok {
		return at + ".spec", fmt.Sprintf("unknown key spec %q: expected one of %s", g.Spec, strings.Join(names(specs), ", "))
	}
	if g.Usage == "" {
		g.Usage = s.usages[0]
	}
	if !slices.Contains(s.usages, g.Usage) {
		return at + ".usage", fmt.Sprintf("usage %q does not go with %s: expected one of %s", g.Usage, g.Spec, strings.Join(s.usages, ", "))
	}
	if g.Count == 0 {
		g.Count = 1
	}
	if g.Count < 1 || g.Count > maxKeys {
		return at + ".count", fmt.Sprintf("count must be from 1 to %d", maxKeys)
	}
	if !(g.Popularity.Zipf >= 0 && g.Popularity.Zipf <= 10) {
		return at + ".popularity", "zipf must be from 0 (uniform) to 10"
	}
	return "", ""
}

func (w *Workload) completeEntry(e *Entry, at string) (path, message string) {
	op, ok := operations[e.Operation]
	if !ok {
		return at + ".operation", fmt.Sprintf("unknown operation %q: expected one of %s", e.Operation, strings.Join(names(operations), ", "))
	}
	if e.Name == "" {
		e.Name = e.Operation
	}
	if e.Weight == 0 {
		e.Weight = 1
	}
	if !(e.Weight > 0) || e.Weight > 1e9 {
		return at + ".weight", "weight must be above 0 and at most 1e9"
	}
	if e.Variants == 0 {
		e.Variants = 4
	}
	if e.Variants < 1 || e.Variants > maxVariants {
		return at + ".variants", fmt.Sprintf("variants must be from 1 to %d", maxVariants)
	}
	for _, check := range []func(*Entry, *operation, string) (string, string){w.entryKeys, w.entryAlgorithm, w.entryPayload, entryContext} {
		if path, message := check(e, &op, at); message != "" {
			return path, message
		}
	}
	return "", ""
}

func (w *Workload) entryKeys(e *Entry, op *operation, at string) (path, message string) {
	e.group, e.destination = -1, -1
	if op.usage == "" {
		if e.Keys != "" {
			return at + ".keys", e.Operation + " uses no key"
		}
		return "", ""
	}
	switch {
	case e.Keys != "":
		e.group = w.group(e.Keys)
	case len(w.Keys) == 1:
		e.group = 0
	default:
		return at, fmt.Sprintf("%s needs a key group in keys, as there are %d", e.Operation, len(w.Keys))
	}
	if e.group < 0 {
		return at + ".keys", fmt.Sprintf("no key group is named %q", e.Keys)
	}
	g := &w.Keys[e.group]
	e.Keys, e.usage = g.Name, g.Usage
	switch {
	case op.symmetric && g.Spec != symmetric:
		return at + ".keys", fmt.Sprintf("%s needs keys of spec %s, group %q has %s", e.Operation, symmetric, g.Name, g.Spec)
	case op.usage != anyUsage && g.Usage != op.usage:
		return at + ".keys", fmt.Sprintf("%s needs keys of usage %s, group %q has %s", e.Operation, op.usage, g.Name, g.Usage)
	case e.Operation == "GetPublicKey" && (g.Spec == symmetric || g.Usage == generateMac):
		return at + ".keys", fmt.Sprintf("GetPublicKey needs asymmetric keys, group %q has %s", g.Name, g.Spec)
	}
	if e.Operation != "ReEncrypt" {
		if e.Destination != "" {
			return at + ".destination", "only ReEncrypt has a destination"
		}
		return "", ""
	}
	e.destination = e.group
	if e.Destination != "" {
		e.destination = w.group(e.Destination)
	}
	if e.destination < 0 || w.Keys[e.destination].Spec != symmetric {
		return at + ".destination", fmt.Sprintf("no symmetric key group is named %q", e.Destination)
	}
	return "", ""
}

func (w *Workload) group(name string) int {
	return slices.IndexFunc(w.Keys, func(g KeyGroup) bool { return g.Name == name })
}

func (w *Workload) entryAlgorithm(e *Entry, op *operation, at string) (path, message string) {
	if op.algorithm == "" {
		if e.Algorithm != "" {
			return at + ".algorithm", e.Operation + " takes no algorithm"
		}
	} else {
		s := specs[w.Keys[e.group].Spec]
		all := s.algorithms(op.algorithm)
		if e.Algorithm == "" {
			e.Algorithm = all[0]
		}
		if !slices.Contains(all, e.Algorithm) {
			return at + ".algorithm", fmt.Sprintf("algorithm %q does not go with %s: expected one of %s", e.Algorithm, w.Keys[e.group].Spec, strings.Join(all, ", "))
		}
	}
	signing := op.algorithm == "SigningAlgorithm"
	if signing && e.MessageType == "" {
		e.MessageType = "RAW"
	}
	if signing && e.MessageType != "RAW" && e.MessageType != "DIGEST" || !signing && e.MessageType != "" {
		return at + ".message_type", "message_type is RAW or DIGEST, for Sign and Verify only"
	}
	if e.MessageType == "DIGEST" && specs[w.Keys[e.group].Spec].whole {
		return at + ".message_type", w.Keys[e.group].Spec + " signs whole messages: message_type is RAW"
	}
	return "", ""
}

func (w *Workload) entryPayload(e *Entry, op *operation, at string) (path, message string) {
	if isPair(e.Operation) {
		if e.PairSpec == "" {
			e.PairSpec = defaultPair
		}
		if !slices.Contains(pairSpecs, e.PairSpec) {
			return at + ".pair_spec", fmt.Sprintf("unknown spec of a key pair %q: expected one of %s", e.PairSpec, strings.Join(pairSpecs, ", "))
		}
	} else if e.PairSpec != "" {
		return at + ".pair_spec", "pair_spec is for GenerateDataKeyPair and its variant without plaintext"
	}
	numbered := op.payload == "NumberOfBytes"
	dataKey := numbered && op.usage != ""
	switch {
	case e.DataKeySpec != "" && (!dataKey || e.Payload.set()):
		return at + ".data_key_spec", "data_key_spec is for GenerateDataKey and its kin, without a payload"
	case e.DataKeySpec != "" && e.DataKeySpec != "AES_256" && e.DataKeySpec != "AES_128":
		return at + ".data_key_spec", "data_key_spec is AES_256 or AES_128"
	case op.payload == "" && e.Payload.set():
		return at + ".payload", e.Operation + " takes no payload"
	case op.payload == "":
		return "", ""
	case dataKey && !e.Payload.set():
		if e.DataKeySpec == "" {
			e.DataKeySpec = "AES_256"
		}
		return "", ""
	}
	limit := op.limit
	if e.group >= 0 {
		s := specs[w.Keys[e.group].Spec]
		limit = s.payloadLimit(op, e.Algorithm)
	}
	if e.MessageType == "DIGEST" {
		size := digestSize(e.Algorithm)
		if e.Payload.set() && (e.Payload.Fixed != size || e.Payload.max() != size) {
			return at + ".payload", fmt.Sprintf("a digest for %s has %d bytes", e.Algorithm, size)
		}
		e.Payload = Size{Fixed: size}
	}
	if !e.Payload.set() {
		e.Payload.Fixed = 32
	}
	if problem := e.Payload.check(limit); problem != "" {
		return at + ".payload", problem
	}
	return "", ""
}

// check completes a distribution and says what is wrong with it.
func (s *Size) check(limit int) string {
	forms := 0
	for _, given := range []bool{s.Fixed != 0, s.Uniform != nil, s.Lognormal != nil, len(s.Choice) > 0} {
		if given {
			forms++
		}
	}
	if forms != 1 {
		return "a payload has one of fixed, uniform, lognormal and choice"
	}
	if l := s.Lognormal; l != nil {
		if l.Max == 0 {
			l.Max = limit
		}
		if l.Median < 1 || l.Median > l.Max || !(l.Sigma >= 0 && l.Sigma <= 10) {
			return "lognormal needs 1 ≤ median ≤ max and a sigma from 0 to 10"
		}
	}
	if u := s.Uniform; u != nil && (u.Min < 1 || u.Min > u.Max) {
		return "uniform needs 1 ≤ min ≤ max"
	}
	for i := range s.Choice {
		c := &s.Choice[i]
		if c.Weight == 0 {
			c.Weight = 1
		}
		if c.Size < 1 || !(c.Weight > 0) || math.IsInf(c.Weight, 0) {
			return "every choice needs a size of at least 1 and a weight above 0"
		}
	}
	if s.Fixed < 0 {
		return "a size must be at least 1"
	}
	if most := s.max(); most > limit {
		return fmt.Sprintf("sizes up to %d bytes are above the limit of %d here", most, limit)
	}
	return ""
}

func entryContext(e *Entry, op *operation, at string) (path, message string) {
	if e.SendKeyID && e.Operation != "Decrypt" {
		return at + ".send_key_id", "send_key_id is for Decrypt"
	}
	if len(e.Context) == 0 {
		return "", ""
	}
	if !op.context || e.Algorithm != "" && e.Algorithm != symmetric {
		return at + ".context", "an encryption context goes with symmetric encryption only"
	}
	size := 0
	for name, value := range e.Context {
		if name == "" {
			return at + ".context", "a name in the encryption context is empty"
		}
		size += len(name) + len(value)
	}
	if size > maxContext {
		return at + ".context", fmt.Sprintf("encryption context of %d bytes is above the limit of %d", size, maxContext)
	}
	return "", ""
}

package traffic

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"trent/loadgen/workload"
)

// Compiled is flows as a workload that can be sent. Entry i of its mix has the mean rate of the flows that it stands for
// as its weight.
type Compiled struct {
	Workload *workload.Workload
	Flows    []Flow
	entries  []int32 // of the mix, by flow
}

// Compiled is the file's flows as a workload.
func (f *File) Compiled() (*Compiled, error) {
	c, err := Compile(f.Name, f.Flows(), f.Keys)
	if err != nil {
		return nil, fmt.Errorf("causes of %s: %w", f.Name, err)
	}
	c.Workload.Description = f.Description
	return c, nil
}

// entryVariants is how many contexts and ciphertexts an entry uses a key with.
const entryVariants = 16

// Compile makes a workload of flows. Keys say how many keys a name stands for, one where it is not among them. Calls that
// are alike in all that is sent and in who causes them share an entry. Errors: no calls at all, more entries or keys than
// a workload may have, an operation that cannot be called with its key.
func Compile(name string, flows []Flow, keys []Key) (*Compiled, error) {
	if Mean(flows) <= 0 && Calls(flows, 0, Day) <= 0 {
		return nil, errors.New("they make no calls")
	}
	b := &builder{name: name, keys: keys, entries: map[string]int{}, taken: map[string]bool{}}
	c := &Compiled{Flows: flows}
	for i := range flows {
		entry, err := b.entry(&flows[i])
		if err != nil {
			return nil, fmt.Errorf("cause %q: %w", flows[i].Cause, err)
		}
		c.entries = append(c.entries, int32(entry))
	}
	var err error
	c.Workload, err = workload.New(&workload.Workload{Name: name, Keys: b.groups, Mix: b.mix})
	return c, err
}

// builder collects entries and key groups.
type builder struct {
	name    string
	keys    []Key
	groups  []workload.KeyGroup
	mix     []workload.Entry
	entries map[string]int // by all that tells calls apart
	taken   map[string]bool
}

func (b *builder) entry(f *Flow) (int, error) {
	group, err := b.group(f)
	if err != nil {
		return 0, err
	}
	id := fmt.Sprintf("%q %q %q %q %q %q %v", f.Cause, f.Service, f.Caller, f.Operation, group, f.KeySpec, sorted(f.Context))
	// Storms that come once count over their day, so that nothing is left out of a mix without time.
	weight := f.Mean()
	if weight == 0 {
		weight = f.Calls(0, Day) / Day.Seconds()
	}
	if i, ok := b.entries[id]; ok {
		b.mix[i].Weight += weight
		return i, nil
	}
	e := workload.Entry{Name: b.free(f.Cause + "/" + f.Operation), Operation: f.Operation, Weight: max(weight, 1e-12), Keys: group,
		Variants: 1, Service: f.Service, Caller: f.Caller, Cause: f.Cause}
	if workload.TakesContext(f.Operation) && (f.KeySpec == symmetric || workload.MakesPairs(f.Operation)) && len(f.Context) > 0 {
		e.Context, e.Variants = maps.Clone(f.Context), entryVariants
	}
	if workload.MakesPairs(f.Operation) && f.KeySpec != symmetric {
		e.PairSpec = f.KeySpec
	}
	b.entries[id] = len(b.mix)
	b.mix = append(b.mix, e)
	return len(b.mix) - 1, nil
}

func sorted(m map[string]string) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return out
}

// free is a name that no entry has.
func (b *builder) free(name string) string {
	out := name
	for n := 2; b.taken[out]; n++ {
		out = fmt.Sprintf("%s %d", name, n)
	}
	b.taken[out] = true
	return out
}

// group is the name of the key group for a flow: its key, in as many groups as it needs usages.
func (b *builder) group(f *Flow) (string, error) {
	usage, err := workload.Usage(f.Operation, f.KeySpec)
	if err != nil || usage == "" {
		return "", err
	}
	spec := f.KeySpec
	if workload.MakesPairs(f.Operation) {
		spec = symmetric // the pair's is another
	}
	for _, name := range []string{f.Key, f.Key + " " + spec, f.Key + " " + spec + " " + usage} {
		i := slices.IndexFunc(b.groups, func(g workload.KeyGroup) bool { return g.Name == name })
		if i < 0 {
			g := workload.KeyGroup{Name: name, Spec: spec, Usage: usage, Count: 1}
			if k := slices.IndexFunc(b.keys, func(k Key) bool { return k.Name == f.Key }); k >= 0 {
				g.Count = b.keys[k].Count
			}
			b.groups = append(b.groups, g)
			return name, nil
		}
		if b.groups[i].Spec == spec && b.groups[i].Usage == usage {
			return name, nil
		}
	}
	return "", fmt.Errorf("key %q: no name is left for %s, %s", f.Key, spec, usage)
}

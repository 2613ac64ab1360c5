package workload

import "slices"

// Without is the workload less some entries, by name, and less the key groups that only they use. What is left keeps its
// weights. Nil where nothing is left.
func (w *Workload) Without(names []string) *Workload {
	out := &Workload{Name: w.Name, Description: w.Description}
	used := make([]bool, len(w.Keys))
	for _, e := range w.Mix {
		if slices.Contains(names, e.Name) {
			continue
		}
		out.Mix = append(out.Mix, e)
		for _, group := range []int{e.group, e.destination} {
			if group >= 0 {
				used[group] = true
			}
		}
	}
	if len(out.Mix) == 0 {
		return nil
	}
	renamed := make([]int, len(w.Keys))
	for i, g := range w.Keys {
		if used[i] {
			renamed[i] = len(out.Keys)
			out.Keys = append(out.Keys, g)
		}
	}
	for i := range out.Mix {
		for _, group := range []*int{&out.Mix[i].group, &out.Mix[i].destination} {
			if *group >= 0 {
				*group = renamed[*group]
			}
		}
	}
	return out
}

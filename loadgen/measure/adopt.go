package measure

import (
	"fmt"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Adopt adds what other recorders measured of this run's hits to what Summary returns; Counts does not have it. The recorder
// takes the summary over. It fails, changing nothing, where Summary.Merge would.
func (r *Recorder) Adopt(other *Summary) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := other
	if r.adopted != nil {
		all = r.adopted
		if err := all.Merge(other); err != nil {
			return err
		}
	} else if err := r.empty().comparable(other); err != nil {
		return err
	}
	r.adopted = all
	return nil
}

// empty is a summary of this recorder's configuration.
func (r *Recorder) empty() *Summary {
	s := &Summary{MaxBlocks: r.config.MaxBlocks}
	for _, name := range r.config.Entries {
		s.Entries = append(s.Entries, Entry{Name: name})
	}
	return s
}

// comparable tells why two summaries cannot be merged exactly.
func (s *Summary) comparable(other *Summary) error {
	if len(s.Entries) != len(other.Entries) || s.MaxBlocks != other.MaxBlocks {
		return fmt.Errorf("merging measurements: %w: %d entries, %d blocks and %d entries, %d blocks", ErrDiffers,
			len(s.Entries), s.MaxBlocks, len(other.Entries), other.MaxBlocks)
	}
	for i := range s.Entries {
		a, b := &s.Entries[i], &other.Entries[i]
		if a.Name != b.Name {
			return fmt.Errorf("merging measurements: %w: entry %d is %q and %q", ErrDiffers, i, a.Name, b.Name)
		}
		mine, theirs := a.histograms(), b.histograms()
		for j := range mine {
			if x, y := mine[j], theirs[j]; x != nil && y != nil && (x.LowestTrackableValue() != y.LowestTrackableValue() ||
				x.HighestTrackableValue() != y.HighestTrackableValue() || x.SignificantFigures() != y.SignificantFigures()) {
				return fmt.Errorf("merging measurements: %w: histograms of entry %q from %d to %d at %d digits and from %d to %d at %d", ErrDiffers, a.Name,
					x.LowestTrackableValue(), x.HighestTrackableValue(), x.SignificantFigures(),
					y.LowestTrackableValue(), y.HighestTrackableValue(), y.SignificantFigures())
			}
		}
	}
	return nil
}

func (e *Entry) histograms() []*hdr.Histogram {
	all := []*hdr.Histogram{e.Pacer, e.Wait, e.Send, e.Client}
	for o := range e.Outcomes {
		all = append(all, e.Outcomes[o].Latency, e.Outcomes[o].Service)
	}
	return all
}

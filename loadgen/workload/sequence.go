package workload

// Hit is what request n of a run is.
type Hit struct {
	N       uint64
	Entry   int
	Key     int    // index in the entry's key group; 0 where it uses no key
	Variant int    // in [0, Entry.Variants)
	Size    int    // of the payload, bytes; 0 where there is none
	Seed    uint64 // of the payload's bytes
}

// Sequence says what each hit is: a pure function of the seed and the hit's number.
type Sequence struct {
	workload *Workload
	seed     uint64
	entries  *alias
	keys     []*alias // by key group; nil for uniform popularity
	sizes    [][]int  // by entry: the sizes of its variants, for operations on artifacts
}

// Sequence makes the sequence of a seed.
func (w *Workload) Sequence(seed uint64) *Sequence {
	s := &Sequence{workload: w, seed: mix(seed), keys: make([]*alias, len(w.Keys)), sizes: make([][]int, len(w.Mix))}
	weights := make([]float64, len(w.Mix))
	for i := range w.Mix {
		weights[i] = w.Mix[i].Weight
		if w.Mix[i].Artifact() != NoArtifact {
			s.sizes[i] = w.Mix[i].VariantSizes()
		}
	}
	s.entries = newAlias(weights)
	for i, g := range w.Keys {
		if g.Popularity.Zipf > 0 && g.Count > 1 {
			s.keys[i] = newAlias(zipfWeights(g.Count, g.Popularity.Zipf))
		}
	}
	return s
}

// Artifact is the kind of artifact the entry's requests carry.
func (e *Entry) Artifact() Artifact { return operations[e.Operation].artifact }

// VariantSizes are the payload sizes of the entry's variants: evenly spaced quantiles of its distribution.
func (e *Entry) VariantSizes() []int {
	sizes := make([]int, e.Variants)
	for v := range sizes {
		sizes[v] = e.Payload.quantile((float64(v) + 0.5) / float64(e.Variants))
	}
	return sizes
}

// Hit writes what hit n is to h. It does not allocate.
func (s *Sequence) Hit(n uint64, h *Hit) { s.HitOf(n, -1, h) }

// HitOf is Hit where a schedule says which entry of the mix hit n belongs to: an index of the mix, or a negative number for the
// sequence's own choice. Key, payload and the rest are drawn as ever.
func (s *Sequence) HitOf(n uint64, entry int, h *Hit) {
	r := stream(s.seed + mix(n+1))
	h.N = n
	h.Entry = s.entries.draw(r.unit())
	if entry >= 0 {
		h.Entry = entry
	}
	e := &s.workload.Mix[h.Entry]
	h.Key = 0
	keyDraw := r.unit()
	if e.group >= 0 {
		if table := s.keys[e.group]; table != nil {
			h.Key = table.draw(keyDraw)
		} else {
			count := s.workload.Keys[e.group].Count
			h.Key = min(int(keyDraw*float64(count)), count-1)
		}
	}
	h.Variant = int(r.next() % uint64(e.Variants))
	if sizes := s.sizes[h.Entry]; sizes != nil {
		h.Size = sizes[h.Variant]
	} else {
		h.Size = e.Payload.quantile(r.unit())
	}
	h.Seed = r.next()
}

// stream is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one word of state, so
// that a hit costs no more than the words it draws.
type stream uint64

func (r *stream) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	return mix(uint64(*r))
}

// unit is uniform in [0, 1).
func (r *stream) unit() float64 { return float64(r.next()>>11) / (1 << 53) }

// mix is SplitMix64's finaliser, a bijection on 64 bits.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

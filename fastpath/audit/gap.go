package audit

// maxLosses bounds the trails whose losses are counted apart.
const maxLosses = 16

// loss is how many records of one trail were lost, and when: Unix seconds.
type loss struct {
	trail       trail
	count       uint64
	first, last int64
}

// losses are records that found no room. Those of more trails than fit are counted in others.
type losses struct {
	any     bool
	by      [maxLosses]loss
	n       int
	another loss
}

func (l *losses) add(of trail, at int64) {
	l.addAll(&loss{trail: of, count: 1, first: at, last: at})
}

func (l *losses) addAll(more *loss) {
	l.any = true
	into := &l.another
	for i := range l.by[:l.n] {
		if l.by[i].trail == more.trail {
			into = &l.by[i]
			break
		}
	}
	if into == &l.another && l.n < maxLosses && more.trail != (trail{}) {
		into = &l.by[l.n]
		into.trail = more.trail
		l.n++
	}
	if into.count == 0 || more.first < into.first {
		into.first = more.first
	}
	into.last = max(into.last, more.last)
	into.count += more.count
}

func (l *losses) merge(from *losses) {
	for i := range from.by[:from.n] {
		l.addAll(&from.by[i])
	}
	if from.another.count > 0 {
		l.addAll(&from.another)
	}
}

package stats

// UncorrectedTrend is FindTrend for independent values, however few: what published examples have.
func UncorrectedTrend(t, y []float64, level float64) Trend {
	r := Trend{N: len(y)}
	r.fit(t, y, level, func([]float64) float64 { return 1 })
	return r
}

package results

// ComparisonResult is what comparing two subjects found.
type ComparisonResult struct{}

func comparisonChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Comparison != nil
}

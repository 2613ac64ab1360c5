package results

// SoakResult is what a soak found beyond the figures of its load.
type SoakResult struct{}

func soakChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Soak != nil
}

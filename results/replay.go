package results

// ReplayResult is what was read from a log and how it was mapped.
type ReplayResult struct{}

func replayChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Replay != nil
}

package results

// PlanResult is what a plan predicts.
type PlanResult struct{}

func planChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Plan != nil
}

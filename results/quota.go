package results

// QuotaResult is what verifying an endpoint's request quotas found.
type QuotaResult struct{}

func quotaChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Quota != nil
}

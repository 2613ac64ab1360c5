package results

// AgentsResult is the agents of a distributed run.
type AgentsResult struct{}

func agentsChapter(r *Record) (chapter, bool) {
	return chapter{}, r.Agents != nil
}

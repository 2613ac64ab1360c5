package appliance

import (
	"context"
	"encoding/json"
	"net/http"

	"trent/hsm/internal/domain"
)

// maxLog bounds an audit log that is brought, in bytes: some 200,000 commands.
const maxLog = 64 << 20

// complete takes in what the appliance's log lacks.
func (s *Server) complete(w http.ResponseWriter, r *http.Request) {
	if s.member.log == nil {
		refuse(w, errNone)
		return
	}
	entries, err := domain.ReadLog(http.MaxBytesReader(w, r.Body, maxLog))
	added := 0
	if err == nil {
		added, err = s.member.log.Complete(entries)
	}
	if err != nil {
		s.options.Logf("console: entries of the audit log were refused: %v", err)
		refuse(w, err)
		return
	}
	answer(w, map[string]int{"added": added})
}

// CompleteAudit brings another member's log to an appliance, which takes what it lacks: it joined later, or was out of service.
// It reports how many entries that were. Error: for a log that does not chain with the appliance's own.
func (c *Console) CompleteAudit(ctx context.Context, log []byte) (added int, err error) {
	b, err := c.do(ctx, http.MethodPost, "/audit", log)
	if err != nil {
		return 0, err
	}
	var a struct {
		Added int `json:"added"`
	}
	return a.Added, json.Unmarshal(b, &a)
}

package spawn

import (
	"strings"
	"sync"
)

// tailSize is the bytes of a process's output that are kept: enough for the message that says why it ended.
const tailSize = 4096

// Tail keeps the end of what a process writes. The zero value is ready; it is safe for concurrent use.
type Tail struct {
	mu   sync.Mutex
	data []byte
}

// Write takes output; it never fails.
func (t *Tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if excess := len(t.data) - tailSize; excess > 0 {
		t.data = t.data[excess:]
	}
	return len(p), nil
}

// Text is what was kept, without white space around it.
func (t *Tail) Text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}

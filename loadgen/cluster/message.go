package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"trent/loadgen/engine"
	"trent/loadgen/measure"
	"trent/loadgen/slo"
)

// Link is a way for messages between the coordinator and one agent, in both directions and in order.
type Link interface {
	Send(ctx context.Context, m *Message) error
	// Receive waits for the next message. The error says why there will be none: for a lost agent, what is known of its end.
	Receive(ctx context.Context) (*Message, error)
	// Close ends the link and what belongs to it: a child of this process has ended when it returns.
	Close() error
}

// Kind is what a message is about.
type Kind string

// The kinds of messages, in their usual order.
const (
	KindHello    Kind = "hello"
	KindJob      Kind = "job"
	KindReady    Kind = "ready"
	KindPing     Kind = "ping"
	KindPong     Kind = "pong"
	KindStart    Kind = "start"
	KindProgress Kind = "progress"
	KindStop     Kind = "stop"
	KindResult   Kind = "result"
	KindFailure  Kind = "failure" // of the agent: it could not do its part
	KindBye      Kind = "bye"
)

// Message is one message; the member of its kind is set, the others are not.
type Message struct {
	Kind     Kind      `json:"kind"`
	Hello    *Hello    `json:"hello,omitempty"`
	Job      *Job      `json:"job,omitempty"`
	Ready    *Ready    `json:"ready,omitempty"`
	Ping     *Ping     `json:"ping,omitempty"`
	Pong     *Pong     `json:"pong,omitempty"`
	Start    *Start    `json:"start,omitempty"`
	Progress *Progress `json:"progress,omitempty"`
	Result   *Result   `json:"result,omitempty"`
	Failure  string    `json:"failure,omitempty"`
	// Body is a job's keys and, where need be, hits (JSON), or a result's log of measurements (gzipped).
	Body []byte `json:"-"`
}

// Hello is who an agent is.
type Hello struct {
	Tool string `json:"tool"` // must be the coordinator's own
	Host string `json:"host"`
	PID  int    `json:"pid"`
	CPUs int    `json:"cpus"` // that it may use
}

// Job is an agent's part. Its message's body has the keys.
type Job struct {
	Agent          int               `json:"agent"`  // from 0
	Agents         int               `json:"agents"` // in all
	URL            string            `json:"url"`
	Region         string            `json:"region"`
	AllowRemote    bool              `json:"allow_remote,omitempty"`
	AllowPlaintext bool              `json:"allow_plaintext,omitempty"`
	MaxRequests    uint64            `json:"max_requests,omitempty"` // of this agent
	Workload       string            `json:"workload"`               // name of a built-in one where it has no source
	WorkloadSource string            `json:"workload_source,omitempty"`
	SLO            string            `json:"slo,omitempty"` // source
	Schedule       string            `json:"schedule"`
	Length         time.Duration     `json:"length_ns"` // of the schedule
	Seed           uint64            `json:"seed"`
	Engine         string            `json:"engine"`
	Connections    int               `json:"connections"`
	Timeout        time.Duration     `json:"timeout_ns"`
	Connect        engine.Connect    `json:"connect"`
	SDK            engine.SDKOptions `json:"sdk"`
	// Credentials are given to children only, over their pipe.
	Credentials *Credentials `json:"credentials,omitempty"`
}

// Credentials sign requests.
type Credentials struct {
	AccessKeyID  string `json:"access_key_id"`
	Secret       string `json:"secret"`
	SessionToken string `json:"session_token,omitempty"`
}

// String shows the access key ID only.
func (c Credentials) String() string { return "credentials of " + c.AccessKeyID }

// GoString shows the access key ID only.
func (c Credentials) GoString() string { return c.String() }

// Ready is an agent that has all it needs.
type Ready struct {
	Fingerprint uint64 `json:"fingerprint"` // of the schedule's beginning as the agent computed it
}

// Ping asks for the agent's clock.
type Ping struct {
	Number int `json:"number"`
}

// Pong is the agent's clock when it received a ping and when it answered, since some moment of its own.
type Pong struct {
	Number   int           `json:"number"`
	Received time.Duration `json:"received_ns"`
	Sent     time.Duration `json:"sent_ns"`
}

// Start is the origin of the run by the agent's clock.
type Start struct {
	Origin time.Duration `json:"origin_ns"`
}

// Progress is the state of an agent, once a second.
type Progress struct {
	Elapsed  time.Duration               `json:"elapsed_ns"`
	Due      uint64                      `json:"due"`
	Outcomes [measure.NumOutcomes]uint64 `json:"outcomes"`
}

// Result is what an agent knows beyond the measurements, which are its message's body.
type Result struct {
	Elapsed     time.Duration `json:"elapsed_ns"`
	Due         uint64        `json:"due"`
	Sent        uint64        `json:"sent"`
	Done        uint64        `json:"done"`
	Connections int           `json:"connections"`
	Reconnects  uint64        `json:"reconnects"`
	MaxBacklog  int           `json:"max_backlog"`
	Capped      uint64        `json:"capped"`
	CapHits     uint64        `json:"cap_hits"`
	CPU         time.Duration `json:"cpu_ns"`
	Interrupted bool          `json:"interrupted"`
	LagP99      time.Duration `json:"client_lag_p99_ns"`
	Gates       []slo.Gate    `json:"gates"`
}

// valid checks that the member of the kind, and no other, is set.
func (m *Message) valid() error {
	set := map[Kind]bool{KindHello: m.Hello != nil, KindJob: m.Job != nil, KindReady: m.Ready != nil, KindPing: m.Ping != nil, KindPong: m.Pong != nil,
		KindStart: m.Start != nil, KindProgress: m.Progress != nil, KindResult: m.Result != nil, KindFailure: m.Failure != ""}
	if m.Kind != KindStop && m.Kind != KindBye && !set[m.Kind] {
		return fmt.Errorf("a message of kind %.20q without its content", m.Kind)
	}
	for kind, is := range set {
		if is && kind != m.Kind {
			return fmt.Errorf("a message of kind %.20q with content of kind %q", m.Kind, kind)
		}
	}
	if len(m.Body) > 0 && m.Kind != KindJob && m.Kind != KindResult {
		return fmt.Errorf("a message of kind %q with a body", m.Kind)
	}
	return nil
}

// Limits of a frame, in bytes.
const (
	MaxHead = 4 << 20
	MaxBody = 128 << 20
)

// AppendFrame appends a message as a frame: the lengths of its head and of its body in 4 bytes each, high byte first, the head as
// JSON, and the body.
func AppendFrame(dst []byte, m *Message) ([]byte, error) {
	head, err := json.Marshal(m)
	if err != nil {
		return dst, fmt.Errorf("encoding a message: %w", err)
	}
	if len(head) > MaxHead || len(m.Body) > MaxBody {
		return dst, fmt.Errorf("encoding a message: %d and %d bytes, above the limits of %d and %d", len(head), len(m.Body), MaxHead, MaxBody)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(head)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(m.Body)))
	return append(append(dst, head...), m.Body...), nil
}

// ReadFrame reads a message. Memory grows with the bytes that arrive, not with the lengths they announce. Errors: io.EOF between
// frames, io.ErrUnexpectedEOF within one, and what is wrong with it.
func ReadFrame(r io.Reader) (*Message, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, err
	}
	head, body := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])
	if head > MaxHead || body > MaxBody {
		return nil, fmt.Errorf("a message of %d and %d bytes, above the limits of %d and %d", head, body, MaxHead, MaxBody)
	}
	var data bytes.Buffer
	if n, err := io.CopyN(&data, r, int64(head)+int64(body)); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("a message of %d bytes ends after %d: %w", int64(head)+int64(body), n, err)
	}
	var m Message
	decoder := json.NewDecoder(bytes.NewReader(data.Bytes()[:head]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return nil, fmt.Errorf("the head of a message: %w", err)
	}
	if decoder.More() || decoder.InputOffset() != int64(head) {
		return nil, errors.New("the head of a message: more than one value")
	}
	if body > 0 {
		m.Body = data.Bytes()[head:]
	}
	return &m, m.valid()
}

// wholeFrame tells whether parts of a frame are all of it. It fails for a frame above the limits, and for more than one.
func wholeFrame(data []byte) (bool, error) {
	if len(data) < 8 {
		return false, nil
	}
	head, body := binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:])
	length := 8 + int64(head) + int64(body)
	if head > MaxHead || body > MaxBody || int64(len(data)) > length {
		return false, fmt.Errorf("a message of %d and %d bytes in %d", head, body, len(data))
	}
	return int64(len(data)) == length, nil
}

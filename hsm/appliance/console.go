package appliance

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// Limits of the console.
const (
	MaxTokenBytes   = 1 << 20 // of a domain token or a command
	maxConsoleConns = 16
	consoleTimeout  = 30 * time.Second // of a request, in both directions
)

// Identity is GET /identity's answer.
type Identity struct {
	Name      string `json:"name"`
	Signing   []byte `json:"signing"`   // SubjectPublicKeyInfo (DER)
	Agreement []byte `json:"agreement"` // the same
	KEM       []byte `json:"kem"`       // ML-KEM-1024 encapsulation key; empty: none
	InService bool   `json:"in_service"`
	Domain    string `json:"domain"` // 32 hex digits; zeros: in none
	Number    uint64 `json:"number"`
	Hash      string `json:"hash"` // 64 hex digits
}

func newIdentity(m *hsm.MemberIdentity) Identity {
	return Identity{
		Name: m.HSM.Name, Signing: m.HSM.Signing, Agreement: m.HSM.Agreement, KEM: m.HSM.KEM, InService: m.InService,
		Domain: hex.EncodeToString(m.Domain[:]), Number: m.Number, Hash: hex.EncodeToString(m.Hash[:]),
	}
}

// member is newIdentity's inverse; false: its hex digits are none.
func (i *Identity) member() (m hsm.MemberIdentity, ok bool) {
	m.HSM = hsm.DomainHSM{Name: i.Name, Signing: i.Signing, Agreement: i.Agreement, KEM: i.KEM}
	m.InService, m.Number = i.InService, i.Number
	n, err := hex.Decode(m.Domain[:], []byte(i.Domain[:min(len(i.Domain), 2*len(m.Domain))]))
	h, hashErr := hex.Decode(m.Hash[:], []byte(i.Hash[:min(len(i.Hash), 2*len(m.Hash))]))
	return m, err == nil && hashErr == nil && n == len(m.Domain) && h == len(m.Hash)
}

// refusal is the body of what is refused.
type refusal struct {
	Error string `json:"error"`
	Kind  string `json:"kind"`
}

// kinds are the words for errors, the narrowest first, and the status of each.
var kinds = []struct {
	err    error
	word   string
	status int
}{
	{hsm.ErrQuorum, "quorum", http.StatusForbidden},
	{hsm.ErrStale, "stale", http.StatusConflict},
	{hsm.ErrCommand, "command", http.StatusBadRequest},
	{hsm.ErrDomain, "domain", http.StatusConflict},
	{hsm.ErrOutOfService, "out_of_service", http.StatusServiceUnavailable},
	{hsm.ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{errFingerprint, "fingerprint", http.StatusBadRequest},
	{errNone, "none", http.StatusNotFound},
	{domain.ErrAudit, "audit", http.StatusConflict},
	{errTooLarge, "too_large", http.StatusRequestEntityTooLarge},
}

var (
	errFingerprint = errors.New("appliance: not the fingerprint of this module")
	errNone        = errors.New("appliance: there is none")
	errTooLarge    = errors.New("appliance: more than a console request may hold")
)

func refuse(w http.ResponseWriter, err error) {
	r, status := refusal{Error: err.Error(), Kind: "internal"}, http.StatusInternalServerError
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			r.Kind, status = k.word, k.status
			break
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(r)
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v)
}

func answerBytes(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(b)
}

// console is what operators' requests reach.
func (s *Server) console() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /identity", s.identity)
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /token", s.token)
	mux.HandleFunc("GET /audit", s.audit)
	mux.HandleFunc("POST /audit", s.complete)
	mux.HandleFunc("POST /execute", s.execute)
	mux.HandleFunc("POST /install", s.install)
	mux.HandleFunc("POST /zeroize", s.zeroize)
	return mux
}

func (s *Server) identity(w http.ResponseWriter, r *http.Request) {
	id, err := s.member.Identity(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, newIdentity(&id))
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	status, err := s.Status(r.Context())
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, status)
}

func (s *Server) token(w http.ResponseWriter, _ *http.Request) {
	token := s.member.held()
	if token == nil {
		refuse(w, errNone)
		return
	}
	answerBytes(w, token)
}

func (s *Server) audit(w http.ResponseWriter, r *http.Request) {
	if s.options.State == "" {
		refuse(w, errNone)
		return
	}
	log, err := os.Open(filepath.Join(s.options.State, domain.AuditFileName))
	if err != nil {
		refuse(w, err)
		return
	}
	defer log.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = io.Copy(w, log)
}

func (s *Server) execute(w http.ResponseWriter, r *http.Request) {
	command, err := body(w, r)
	if err != nil {
		refuse(w, err)
		return
	}
	token, err := s.member.Execute(r.Context(), command)
	if err != nil {
		s.options.Logf("console: a command was refused: %v", err)
		refuse(w, err)
		return
	}
	answerBytes(w, token)
}

func (s *Server) install(w http.ResponseWriter, r *http.Request) {
	token, err := body(w, r)
	if err == nil {
		err = s.member.Install(r.Context(), token)
	}
	if err != nil {
		s.options.Logf("console: a domain token was refused: %v", err)
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) zeroize(w http.ResponseWriter, r *http.Request) {
	b, err := body(w, r)
	var asked struct {
		Fingerprint string `json:"fingerprint"`
	}
	if err == nil {
		err = json.Unmarshal(b, &asked)
	}
	if err == nil {
		err = s.Zeroize(r.Context(), asked.Fingerprint)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// body reads a request's. Error: errTooLarge.
func body(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxTokenBytes))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return nil, errTooLarge
	}
	return b, err
}

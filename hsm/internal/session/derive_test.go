package session_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"trent/hsm/internal/session"
)

// hexBytes is bytes as the vectors have them.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// known is what an independent implementation, Python's hmac and cryptography 48.0.0, makes of the formats in the
// package comment.
type known struct {
	SessionKey        hexBytes   `json:"session_key"`
	Host              hexBytes   `json:"host"`
	Module            hexBytes   `json:"module"`
	HostRandom        hexBytes   `json:"host_random"`
	ModuleRandom      hexBytes   `json:"module_random"`
	Domain            hexBytes   `json:"domain"`
	KeyToModule       hexBytes   `json:"key_to_module"`
	KeyToHost         hexBytes   `json:"key_to_host"`
	OpenProved        hexBytes   `json:"open_proved"`
	OpenProof         hexBytes   `json:"open_proof"`
	AcceptProved      hexBytes   `json:"accept_proved"`
	AcceptProof       hexBytes   `json:"accept_proof"`
	ECDH              hexBytes   `json:"ecdh"`
	KEM               hexBytes   `json:"kem"`
	Transcript        hexBytes   `json:"transcript"`
	AgreedClassical   hexBytes   `json:"agreed_classical"`
	AgreedHybrid      hexBytes   `json:"agreed_hybrid"`
	Plaintexts        []hexBytes `json:"plaintexts"`
	EnvelopesToModule []hexBytes `json:"envelopes_to_module"`
	EnvelopesToHost   []hexBytes `json:"envelopes_to_host"`
}

func knownAnswers(t testing.TB) *known {
	t.Helper()
	data, err := os.ReadFile("testdata/vectors/session.json")
	if err != nil {
		t.Fatal(err)
	}
	var v known
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Plaintexts) == 0 {
		t.Fatal("no vectors")
	}
	return &v
}

func TestKnownKeys(t *testing.T) {
	t.Parallel()
	v := knownAnswers(t)
	host, module := session.Fingerprint(v.Host), session.Fingerprint(v.Module)
	hr, mr, domain := [32]byte(v.HostRandom), [32]byte(v.ModuleRandom), [16]byte(v.Domain)
	for _, c := range []struct {
		name string
		got  [32]byte
		want hexBytes
	}{
		{"key to the module", session.ConnectionKey(v.SessionKey, 1, host, module, hr, mr, domain), v.KeyToModule},
		{"key to the host", session.ConnectionKey(v.SessionKey, 2, host, module, hr, mr, domain), v.KeyToHost},
		{"proof of open", session.OpenProof(v.SessionKey, host, v.OpenProved), v.OpenProof},
		{"proof of accept", session.AcceptProof(v.SessionKey, host, module, hr, mr, domain, v.OpenProved, v.AcceptProved), v.AcceptProof},
		{"agreed key, classical", session.AgreedKey([48]byte(v.ECDH), nil, [48]byte(v.Transcript)), v.AgreedClassical},
		{"agreed key, hybrid", session.AgreedKey([48]byte(v.ECDH), v.KEM, [48]byte(v.Transcript)), v.AgreedHybrid},
	} {
		if !bytes.Equal(c.got[:], c.want) {
			t.Errorf("%s: %x, want %x", c.name, c.got, c.want)
		}
	}
}

// TestKnownEnvelopes: what is sealed with counted nonces, byte by byte; all kernels open it.
func TestKnownEnvelopes(t *testing.T) {
	t.Parallel()
	v := knownAnswers(t)
	forEachKernel(t, func(t *testing.T, pool *session.Pool, counted bool) {
		host, module := session.PairOf(pool, [32]byte(v.KeyToModule), [32]byte(v.KeyToHost))
		defer host.Close()
		defer module.Close()
		for _, way := range []struct {
			from, to *session.Conn
			want     []hexBytes
		}{{host, module, v.EnvelopesToModule}, {module, host, v.EnvelopesToHost}} {
			for i, plaintext := range v.Plaintexts {
				envelope, err := way.from.Seal(nil, plaintext)
				if err != nil || counted && !bytes.Equal(envelope, way.want[i]) {
					t.Errorf("envelope %d: %x, %v, want %x", i, envelope, err, way.want[i])
				}
				if got, err := way.to.Open(nil, way.want[i]); err != nil || !bytes.Equal(got, plaintext) {
					t.Errorf("opened envelope %d: %x, %v, want %x", i, got, err, plaintext)
				}
			}
		}
	})
}

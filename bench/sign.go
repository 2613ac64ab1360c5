package bench

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"filippo.io/mldsa"

	"trent/fastpath"
	"trent/hsm"
	"trent/loadgen/machine"
	"trent/results/stats"
)

// signLimit is what a signature by the module may cost, in signatures by the same library without it.
const signLimit = 1.25

// signSpan is how long one side signs before the other has its turn.
const signSpan = 150 * time.Millisecond

// signers are the signatures that are compared, by the API's key spec.
var signers = []struct {
	name      string
	spec      hsm.KeySpec
	algorithm hsm.Algorithm
	bare      func() (func(message []byte) error, error) // makes a key of the library's
}{
	{"ECC_NIST_P256", hsm.P256, hsm.ECDSASHA256, bareECDSA},
	{"RSA_2048", hsm.RSA2048, hsm.PKCS1SHA256, bareRSA},
	{"ML_DSA_65", hsm.MLDSA65, hsm.MLDSASHAKE256, bareMLDSA},
}

func bareECDSA() (func([]byte) error, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return func(message []byte) error {
		digest := sha256.Sum256(message)
		_, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		return err
	}, err
}

func bareRSA() (func([]byte) error, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	return func(message []byte) error {
		digest := sha256.Sum256(message)
		_, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		return err
	}, err
}

func bareMLDSA() (func([]byte) error, error) {
	key, err := mldsa.GenerateKey(mldsa.MLDSA65())
	return func(message []byte) error {
		_, err := key.Sign(nil, message, nil)
		return err
	}, err
}

// signTimes are the seconds a signature took, in rounds taken in turn.
type signTimes struct{ Module, Bare []float64 }

// Signatures measures Sign through the module against the library's own signature, on one core.
func Signatures(r *Report, dir string) error {
	times, err := signChild(dir, machine.Host{}.UsableCPUs()[:1])
	if err != nil {
		return err
	}
	for _, s := range signers {
		t := times[s.name]
		note := fmt.Sprintf("%.1f µs against %.1f µs, %d pairs", stats.Median(t.Module)*1e6, stats.Median(t.Bare)*1e6, len(t.Bare))
		r.add(atMost("HSM core, Sign by "+s.name+" over the bare signature", "×", stats.PairedRatio(t.Module, t.Bare, stats.Options{}), signLimit, note))
	}
	return nil
}

// signChild measures in a process of its own, pinned.
func signChild(dir string, cpus []int) (map[string]signTimes, error) {
	var times map[string]signTimes
	_, err := child("sign", filepath.Join(dir, "sign.json"), cpus, &times)
	return times, err
}

// SignChild writes the times of all signers to result.
func SignChild(result string) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(fastpath.GCPercent) // as the server does
	}
	m, done, err := openModule()
	if err != nil {
		return err
	}
	defer done()
	times := make(map[string]signTimes)
	for _, s := range signers {
		key, err := generate(m, s.spec, hsm.SignVerify)
		if err != nil {
			return err
		}
		bare, err := s.bare()
		if err != nil {
			return err
		}
		out := make([]byte, 0, 8<<10)
		module := func(message []byte) error {
			c := hsm.Call{Op: hsm.OpSign, Key: key, Algorithm: s.algorithm, In: message, Out: out}
			return m.Do(&c)
		}
		var t signTimes
		for range 2 * coreRounds {
			for _, side := range []struct {
				sign func([]byte) error
				into *[]float64
			}{{module, &t.Module}, {bare, &t.Bare}} {
				seconds, err := signFor(side.sign, signSpan)
				if err != nil {
					return fmt.Errorf("signing by %s: %w", s.name, err)
				}
				*side.into = append(*side.into, seconds)
			}
		}
		times[s.name] = t
	}
	b, err := json.Marshal(times)
	if err != nil {
		return err
	}
	return os.WriteFile(result, b, 0o600)
}

// signFor signs for a while and returns the seconds a signature.
func signFor(sign func([]byte) error, span time.Duration) (float64, error) {
	message := make([]byte, 32)
	begun, n := time.Now(), 0
	for time.Since(begun) < span {
		for range 16 {
			if err := sign(message); err != nil {
				return 0, err
			}
			n++
		}
	}
	return time.Since(begun).Seconds() / float64(n), nil
}

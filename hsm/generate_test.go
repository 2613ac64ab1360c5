package hsm_test

import (
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"trent/hsm"
)

// TestGenerationStallsNobody: while every engine is making a key, and more keys are waited for, the operations
// that need no engine go on.
func TestGenerationStallsNobody(t *testing.T) {
	t.Parallel()
	const engines = 2
	module := openLocal(t, hsm.Config{AsymmetricEngines: engines})
	symmetric := newKey(t, module, hsm.SymmetricDefault, hsm.EncryptDecrypt, "s")
	mac := newKey(t, module, hsm.HMAC256, hsm.GenerateVerifyMAC, "m")
	ecc := newKey(t, module, hsm.P256, hsm.SignVerify, "e")
	generating, release := hsm.HoldGeneration(module)

	var makers sync.WaitGroup
	for _, c := range []hsm.Call{
		{Op: hsm.OpGenerate, Spec: hsm.RSA4096, Usage: hsm.SignVerify, Key: &hsm.Key{Identity: identity("r")}},
		{Op: hsm.OpDataKeyPair, Spec: hsm.RSA4096, Key: symmetric},
		{Op: hsm.OpGeneratePool, Spec: hsm.RSA4096},
	} {
		makers.Go(func() {
			c.Out, c.Public = make([]byte, 0, 4096), make([]byte, 0, 1024)
			if err := module.Do(&c); err != nil {
				t.Errorf("op %d: %v", c.Op, err)
			}
		})
	}
	for range engines {
		<-generating
	}
	status, err := module.Status(t.Context())
	if err != nil || status.EnginesBusy != engines || status.Busy != 0 {
		t.Fatalf("%d engines and %d workers busy, %v", status.EnginesBusy, status.Busy, err)
	}
	for _, c := range []hsm.Call{
		{Op: hsm.OpEncrypt, Key: symmetric, In: []byte("x")},
		{Op: hsm.OpDataKey, Key: symmetric, N: 32},
		{Op: hsm.OpMAC, Key: mac, In: []byte("x")},
		{Op: hsm.OpSign, Key: ecc, In: []byte("x")},
		{Op: hsm.OpRandom, N: 32},
	} {
		c.Out, c.Secret = make([]byte, 0, 4096), make([]byte, 0, 4096)
		if err := module.Do(&c); err != nil {
			t.Errorf("op %d: %v", c.Op, err)
		}
	}
	release()
	makers.Wait()
}

// TestCloseDuringGeneration: Close does not wait for a key that is being made; that call ends with ErrUnavailable.
func TestCloseDuringGeneration(t *testing.T) {
	t.Parallel()
	module, err := hsm.Open(hsm.Config{Dir: t.TempDir(), Seal: hsm.Seal{KeyFile: filepath.Join(t.TempDir(), "seal.key")}})
	if err != nil {
		t.Fatal(err)
	}
	generating, release := hsm.HoldGeneration(module)
	done := make(chan error)
	go func() {
		done <- module.Do(&hsm.Call{Op: hsm.OpGeneratePool, Spec: hsm.P256, Out: make([]byte, 0, 4096), Public: make([]byte, 0, 1024)})
	}()
	<-generating
	if err := module.Close(); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-done; !errors.Is(err, hsm.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

package hsm_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"trent/hsm"
	"trent/hsm/internal/domain"
	"trent/hsm/internal/session"
)

// TestCloseBesideCommands: a module that is closed, or erases itself, while everything that a member does goes on ends in
// errors, not in memory that is gone.
func TestCloseBesideCommands(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(m *hsm.Local) error{"close": (*hsm.Local).Close, "zeroize": (*hsm.Local).Zeroize} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCast(t, 1)
			members, first := newDomain(t, c, 2)
			m := members[0]
			rotate := c.command(t, first, domain.Command{Kind: domain.RotateKeys})
			second := execute(t, members[1], rotate)
			k := newKey(t, m, hsm.SymmetricDefault, hsm.EncryptDecrypt, "k")
			a := m.SessionAuthority()
			begun, stop := make(chan struct{}, 64), make(chan struct{})
			var calls sync.WaitGroup
			for _, f := range []func() error{
				func() error { _, err := m.Execute(t.Context(), rotate); return err },
				func() error { return m.Install(t.Context(), second) },
				func() error { _, err := m.Identity(t.Context()); return err },
				func() error { _, err := m.Status(t.Context()); return err },
				func() error { _, err := a.Sign(new([48]byte)); return err },
				func() error {
					_, err := a.SealSession(nil, new([32]byte), session.Fingerprint{}, time.Now())
					return err
				},
				func() error {
					return m.Do(&hsm.Call{Op: hsm.OpEncrypt, Key: k, Out: make([]byte, 0, 512)})
				},
			} {
				calls.Go(func() {
					for n := 0; ; n++ {
						err := f()
						if err != nil && !errors.Is(err, hsm.ErrUnavailable) && !errors.Is(err, hsm.ErrStale) && !errors.Is(err, hsm.ErrDomain) {
							t.Errorf("%v", err)
						}
						if n == 0 {
							begun <- struct{}{}
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			for range 7 {
				<-begun
			}
			if err := end(m); err != nil {
				t.Error(err)
			}
			close(stop)
			calls.Wait()
		})
	}
}

//go:build pkcs11

package pkcs11

import (
	"context"
	"fmt"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
	"trent/hsm/internal/token"
)

// Destroy implements hsm.Destroyer: nothing opens the key's ciphertexts any more, no backup of a disk brings it back.
// Counts of imported material stay, since it may be imported again.
func (m *Module) Destroy(ctx context.Context, k *hsm.Key) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Time{}
	}
	return m.with(&hsm.Call{Deadline: deadline}, func(s p11.SessionHandle) error {
		opened, err := m.open(s, k, token.Key)
		if err != nil {
			return err
		}
		doomed, err := m.search(s, attr(p11.CKA_LABEL, label(opened.ID[:])), attr(p11.CKA_TOKEN, true))
		if err != nil {
			return err
		}
		if len(doomed) == 0 {
			return errGone
		}
		if kindOf(k.Spec) == aesKey && !opened.Imported {
			generations, err := m.generations(s, opened)
			if err != nil {
				return err
			}
			for _, g := range generations {
				counts, err := m.counts(s, countLabel(opened.material, g))
				if err != nil {
					return err
				}
				for _, c := range counts {
					doomed = append(doomed, c.object)
				}
			}
		}
		for _, object := range doomed {
			if err := m.ctx.DestroyObject(s, object); err != nil && !isCode(err, p11.CKR_OBJECT_HANDLE_INVALID) {
				return fmt.Errorf("destroying a key: %w", err)
			}
		}
		m.objects.clear()
		m.keys.forget(k.Material)
		m.seals.drop(k.Material)
		return nil
	})
}

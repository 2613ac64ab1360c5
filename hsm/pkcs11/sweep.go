//go:build pkcs11

package pkcs11

import (
	"fmt"
	"strings"
	"time"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// A wrapping key is good for hsm.ImportTokenLife, and nobody says when it is not needed any more. Its label tells the day
// after which it is taken out of the device, at the next start or when another one is made.

const (
	wrappingLabel = application + " import until "
	dayLayout     = "20060102"
)

// wrappingName is the label of a wrapping key that is made now.
func wrappingName(now time.Time) string {
	return wrappingLabel + now.Add(hsm.ImportTokenLife).UTC().Format(dayLayout)
}

// sweep takes wrapping keys out whose day is over.
func (m *Module) sweep(s p11.SessionHandle) error {
	found, err := m.search(s, attr(p11.CKA_CLASS, p11.CKO_PRIVATE_KEY), attr(p11.CKA_UNWRAP, true), attr(p11.CKA_TOKEN, true))
	if err != nil {
		return err
	}
	for _, object := range found {
		name, err := m.attribute(s, object, p11.CKA_LABEL)
		if err != nil {
			return err
		}
		day, ok := strings.CutPrefix(string(name), wrappingLabel)
		last, bad := time.Parse(dayLayout, day)
		if !ok || bad != nil || time.Now().Before(last.Add(24*time.Hour)) {
			continue
		}
		id, err := m.attribute(s, object, p11.CKA_ID)
		if err != nil {
			return err
		}
		halves, err := m.search(s, attr(p11.CKA_ID, id), attr(p11.CKA_LABEL, name))
		if err != nil {
			return fmt.Errorf("taking out a wrapping key: %w", err)
		}
		m.destroy(s, halves...)
	}
	return nil
}

//go:build pkcs11

package pkcs11

import (
	"encoding/hex"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

const (
	application = "trent"
	maxHandles  = 1 << 16 // kept; beyond them all are looked up anew
	maxFound    = 256     // objects of one look-up
)

func attr(kind uint, value any) *p11.Attribute { return p11.NewAttribute(kind, value) }

// objectName is what an object is found by.
type objectName struct {
	class uint
	id    string
}

// handles keeps the handles of objects, since looking one up takes a device longer than using it.
type handles struct {
	mu sync.RWMutex
	of map[objectName]p11.ObjectHandle
}

func (h *handles) get(n objectName) (p11.ObjectHandle, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	handle, ok := h.of[n]
	return handle, ok
}

func (h *handles) put(n objectName, handle p11.ObjectHandle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil || len(h.of) >= maxHandles {
		h.of = map[objectName]p11.ObjectHandle{}
	}
	h.of[n] = handle
}

func (h *handles) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of = nil
}

// find is the handle of the object of a class with an identifier; false: there is none.
func (m *Module) find(s p11.SessionHandle, class uint, id []byte) (p11.ObjectHandle, bool, error) {
	name := objectName{class, string(id)}
	if handle, ok := m.objects.get(name); ok {
		return handle, true, nil
	}
	found, err := m.search(s, attr(p11.CKA_CLASS, class), attr(p11.CKA_ID, id))
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	m.objects.put(name, found[0])
	return found[0], true, nil
}

// search lists objects by their attributes.
func (m *Module) search(s p11.SessionHandle, template ...*p11.Attribute) ([]p11.ObjectHandle, error) {
	if err := m.ctx.FindObjectsInit(s, template); err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	found, _, err := m.ctx.FindObjects(s, maxFound)
	if final := m.ctx.FindObjectsFinal(s); err == nil {
		err = final
	}
	if err != nil {
		return nil, fmt.Errorf("looking for objects: %w", err)
	}
	return found, nil
}

// attribute is one attribute of an object.
func (m *Module) attribute(s p11.SessionHandle, object p11.ObjectHandle, kind uint) ([]byte, error) {
	got, err := m.ctx.GetAttributeValue(s, object, []*p11.Attribute{attr(kind, nil)})
	if err != nil {
		return nil, fmt.Errorf("reading an attribute of an object: %w", err)
	}
	return got[0].Value, nil
}

// destroy takes objects out of the device, as far as it lets.
func (m *Module) destroy(s p11.SessionHandle, objects ...p11.ObjectHandle) {
	for _, o := range objects {
		if o != 0 {
			_ = m.ctx.DestroyObject(s, o)
		}
	}
}

// label is what an administrator sees of the objects of a key.
func label(id []byte) string { return application + " " + hex.EncodeToString(id) }

// guarded is what every secret and private key of the device has.
func guarded(id []byte, name string, persistent bool) []*p11.Attribute {
	return []*p11.Attribute{
		attr(p11.CKA_TOKEN, persistent), attr(p11.CKA_PRIVATE, true), attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, false),
		attr(p11.CKA_ID, id), attr(p11.CKA_LABEL, name),
	}
}

func mechanism(kind uint, parameter any) []*p11.Mechanism {
	return []*p11.Mechanism{p11.NewMechanism(kind, parameter)}
}

// random is the device's source of random bytes as a reader.
type random struct{ m *Module }

func (r random) Read(b []byte) (int, error) {
	if err := r.m.drawAny(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// fill fills b from the device's source.
func (m *Module) fill(s p11.SessionHandle, b []byte) error {
	drawn, err := m.ctx.GenerateRandom(s, len(b))
	if err != nil {
		return fmt.Errorf("drawing random bytes: %w", err)
	}
	defer clear(drawn)
	if len(drawn) != len(b) {
		return fmt.Errorf("drawing random bytes: %d came for %d", len(drawn), len(b))
	}
	copy(b, drawn)
	return nil
}

// inSession is random for a session that is held.
type inSession struct {
	m *Module
	s p11.SessionHandle
}

func (r inSession) Read(b []byte) (int, error) {
	if err := r.m.fill(r.s, b); err != nil {
		return 0, err
	}
	return len(b), nil
}

package hsm

import (
	"bytes"
	"encoding/binary"

	"trent/hsm/internal/algorithm"
	"trent/hsm/internal/kdf"
	"trent/hsm/internal/token"
)

// Sizes in bytes of what fits a slot; what does not is unwrapped for every call.
const (
	maxSlotMaterial = 64 // HMAC_512
	maxSlotToken    = token.Overhead + maxSlotMaterial
	maxSlotIdentity = 128
)

// slot is one ready key of a worker. What it was made from stands beside it, for comparison: all of that is
// public, the key itself lies in the arena.
type slot struct {
	tokenSize     uint16 // 0: empty
	identitySize  uint16
	epoch         uint32 // of the last use
	spec          KeySpec
	usage         Usage
	material      MaterialID
	tokenBytes    [maxSlotToken]byte
	identityBytes [maxSlotIdentity]byte
}

// slotState is the key: the KDF's midstate for symmetric keys, HMAC's own for HMAC keys, or their material where the
// standard library makes MACs.
type slotState struct{ key kdf.MACKey }

func (s *slotState) midstate() *kdf.Midstate { return &s.key.Short }

func (s *slotState) material() *[maxSlotMaterial]byte { return &s.key.Rest }

// find returns the slot that may hold k, whether it does or not, and its key; nil: there is none for k. The
// end of a token is a tag, as good as random.
func (w *worker) find(k *Key) (*slot, *slotState) {
	if len(w.slots) == 0 || len(k.Token) < token.Overhead || len(k.Token) > maxSlotToken || len(k.Identity) > maxSlotIdentity {
		return nil, nil
	}
	i := binary.LittleEndian.Uint32(k.Token[len(k.Token)-4:]) & uint32(len(w.slots)-1)
	return &w.slots[i], w.states[i]
}

// holds compares everything.
func (s *slot) holds(k *Key) bool {
	return int(s.tokenSize) == len(k.Token) && s.spec == k.Spec && s.usage == k.Usage && s.material == k.Material &&
		bytes.Equal(s.tokenBytes[:s.tokenSize], k.Token) && bytes.Equal(s.identityBytes[:s.identitySize], k.Identity)
}

// name says what the state is of from now on.
func (s *slot) name(k *Key) {
	s.tokenSize = uint16(copy(s.tokenBytes[:], k.Token))
	s.identitySize = uint16(copy(s.identityBytes[:], k.Identity))
	s.spec, s.usage, s.material = k.Spec, k.Usage, k.Material
}

// wipe empties a slot.
func (w *worker) wipe(s *slot, state *slotState) {
	if s.tokenSize == 0 {
		return
	}
	*state = slotState{}
	poison(state)
	s.tokenSize = 0
	w.filled--
}

// wipeWhere empties the slots that match.
func (w *worker) wipeWhere(match func(*slot) bool) {
	if w.filled == 0 {
		return
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.tokenSize != 0 && match(s) {
			w.wipe(s, w.states[i])
		}
	}
}

// midstate makes a symmetric key ready; what it returns is good until w is released or asked for another key.
// Errors: ErrToken, ErrDomain.
func (l *Local) midstate(w *worker, k *Key) (*kdf.Midstate, error) {
	s, state := w.find(k)
	if s != nil && s.holds(k) {
		s.epoch = l.epoch.Load()
		return state.midstate(), nil
	}
	material, err := l.unwrap(w, k, w.scratch.material[:0])
	if err != nil {
		return nil, err
	}
	if s == nil {
		state = &w.scratch.ready
	} else {
		w.fill(s, state, k, l.epoch.Load())
	}
	state.midstate().Init(material)
	clear(material)
	return state.midstate(), nil
}

// macKey is midstate for HMAC keys.
func (l *Local) macKey(w *worker, k *Key, h kdf.Hash) (*kdf.MACKey, error) {
	s, state := w.find(k)
	if s != nil && s.holds(k) {
		s.epoch = l.epoch.Load()
		return &state.key, nil
	}
	material, err := l.unwrap(w, k, w.scratch.material[:0])
	if err != nil {
		return nil, err
	}
	if s == nil {
		state = &w.scratch.ready
	} else {
		w.fill(s, state, k, l.epoch.Load())
	}
	state.key.Init(&w.scratch.mac, h, material)
	clear(material)
	return &state.key, nil
}

// material is macKey for the standard library.
func (l *Local) material(w *worker, k *Key) ([]byte, error) {
	n := algorithm.MaterialSize(algorithm.Spec(k.Spec))
	s, state := w.find(k)
	if s != nil && s.holds(k) {
		s.epoch = l.epoch.Load()
		return state.material()[:n], nil
	}
	material, err := l.unwrap(w, k, w.scratch.material[:0])
	if err != nil || s == nil {
		return material, err
	}
	w.fill(s, state, k, l.epoch.Load())
	copy(state.material()[:], material)
	clear(material)
	return state.material()[:n], nil
}

// fill takes a slot for k, whoever had it.
func (w *worker) fill(s *slot, state *slotState, k *Key, epoch uint32) {
	w.wipe(s, state)
	s.name(k)
	s.epoch = epoch
	w.filled++
}

// unwrap appends the material of a key of fixed length to dst, which must hold it. Errors: ErrToken, ErrDomain.
func (l *Local) unwrap(w *worker, k *Key, dst []byte) ([]byte, error) {
	dk, err := l.domainKeyOf(k, token.Key)
	if err != nil {
		return nil, err
	}
	if token.MaterialSize(k.Token) != algorithm.MaterialSize(algorithm.Spec(k.Spec)) {
		return nil, ErrToken
	}
	material, err := token.Open(dst, l.kernel, dk, &w.scratch.token, k.Identity, k.Token)
	if err != nil {
		return nil, ErrToken
	}
	return material, nil
}

// domainKeyOf checks that a token says of itself what k says, and finds its domain key. Whether the token
// speaks the truth shows when it is opened. Who uses the key holds a worker since before: see domain.Ring. Errors:
// ErrToken, ErrDomain.
func (l *Local) domainKeyOf(k *Key, purpose token.Purpose) (*kdf.Midstate, error) {
	h, err := token.Parse(k.Token)
	if err != nil || h.Purpose != purpose || h.Spec != uint8(k.Spec) || h.Usage != uint8(k.Usage) || h.Material != k.Material {
		return nil, ErrToken
	}
	dk, ok := l.keys.Find(&h.Domain, h.Version)
	if !ok {
		return nil, ErrDomain
	}
	return dk, nil
}

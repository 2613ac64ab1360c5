//go:build pkcs11

package pkcs11

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"trent/hsm"
)

// Random nonces of 96 bits allow a key 2^32 encryptions at the most (SP 800-38D, 8.3), so they are counted, in the
// device, where no backup of a disk turns them back. They are reserved a block at a time, before the first of a block is
// used: a crash wastes what was left of it. A count is a data object that nothing changes: a host adds a higher one, then
// takes away its lower ones. The count of a key is the sum over hosts of each one's highest. A device that keeps no data objects gets fresh keys for each process instead, whose encryptions that
// process counts.

// sealingState is which of a material's keys is used for sealing, and how often it still may be.
type sealingState struct {
	mu         sync.Mutex
	generation uint32
	left       uint64
}

type seals struct {
	mu sync.Mutex
	of map[hsm.MaterialID]*sealingState
}

func (s *seals) get(id hsm.MaterialID) *sealingState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[hsm.MaterialID]*sealingState{}
	}
	st := s.of[id]
	if st == nil {
		st = &sealingState{}
		s.of[id] = st
	}
	return st
}

func (s *seals) drop(id hsm.MaterialID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, id)
}

// sealing takes one encryption from the budget of a key in the device: which one, and its handle.
func (m *Module) sealing(s p11.SessionHandle, k *key) (uint32, p11.ObjectHandle, error) {
	st := m.seals.get(k.material)
	st.mu.Lock()
	if st.left == 0 {
		if err := m.reserve(s, k, st); err != nil {
			st.mu.Unlock()
			return 0, 0, err
		}
	}
	st.left--
	generation := st.generation
	st.mu.Unlock()
	object, err := m.numbered(s, k, generation)
	return generation, object, err
}

// numbered is the handle of one of a symmetric key's objects. Error: ErrToken where it is not in the device.
func (m *Module) numbered(s p11.SessionHandle, k *key, generation uint32) (p11.ObjectHandle, error) {
	object, ok, err := m.find(s, p11.CKO_SECRET_KEY, generationID(k, generation))
	if err == nil && !ok {
		err = errGone
	}
	return object, err
}

// reserve gives st a block: of the key that it uses, of another one of the material's, or of a new one.
func (m *Module) reserve(s p11.SessionHandle, k *key, st *sealingState) error {
	if m.countHere.Load() {
		return m.begin(s, k, st)
	}
	generations := []uint32{st.generation}
	ok, err := m.reserveOf(s, k, st.generation)
	if isOneOf(err, lackingCodes) {
		m.countHere.Store(true)
		return m.begin(s, k, st)
	}
	if err != nil {
		return err
	}
	if !ok {
		if k.Imported {
			return fmt.Errorf("%w: this imported key has made %d ciphertexts, import new material", hsm.ErrUnavailable, m.o.Limit)
		}
		if generations, err = m.generations(s, k); err != nil {
			return err
		}
		slices.Sort(generations)
	}
	for _, g := range generations {
		if ok {
			break
		}
		if g == st.generation {
			continue
		}
		if ok, err = m.reserveOf(s, k, g); err != nil {
			return err
		}
		st.generation = g
	}
	if !ok {
		if st.generation, err = m.renew(s, k); err != nil {
			return err
		}
		if ok, err = m.reserveOf(s, k, st.generation); err != nil || !ok {
			return fmt.Errorf("%w: a new key without a budget: %w", hsm.ErrUnavailable, err)
		}
	}
	st.left = m.o.Block
	return nil
}

// begin gives st a fresh key whose encryptions this process counts alone.
func (m *Module) begin(s p11.SessionHandle, k *key, st *sealingState) (err error) {
	if k.Imported {
		return fmt.Errorf("%w: imported material cannot be counted, for the device keeps no data objects", hsm.ErrUnsupported)
	}
	if st.generation, err = m.renew(s, k); err == nil {
		st.left = m.o.Limit
	}
	return err
}

// generations are the numbers of a material's keys in the device.
func (m *Module) generations(s p11.SessionHandle, k *key) ([]uint32, error) {
	found, err := m.search(s, attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_LABEL, label(k.ID[:])), attr(p11.CKA_TOKEN, true))
	if err != nil {
		return nil, err
	}
	var all []uint32
	for _, object := range found {
		id, err := m.attribute(s, object, p11.CKA_ID)
		if err != nil {
			return nil, err
		}
		if len(id) == len(k.ID)+4 && string(id[:len(k.ID)]) == string(k.ID[:]) {
			all = append(all, binary.BigEndian.Uint32(id[len(k.ID):]))
		}
	}
	return all, nil
}

// renew makes another key for a material. Its number is random, so that two hosts do not make the same.
func (m *Module) renew(s p11.SessionHandle, k *key) (uint32, error) {
	var b [4]byte
	if err := m.fill(s, b[:]); err != nil {
		return 0, err
	}
	generation := binary.BigEndian.Uint32(b[:]) | 1<<31
	_, err := m.makeSecret(s, hsm.SymmetricDefault, generationID(k, generation), label(k.ID[:]), true)
	return generation, err
}

// count is a data object: whose it is, and how many encryptions it stands for.
type count struct {
	object p11.ObjectHandle
	host   string
	n      uint64
}

// reserveOf reserves a block of a key's budget; false: it has none left.
func (m *Module) reserveOf(s p11.SessionHandle, k *key, generation uint32) (bool, error) {
	if _, err := m.numbered(s, k, generation); err != nil {
		return false, err
	}
	name := countLabel(k.material, generation)
	counts, err := m.counts(s, name)
	if err != nil {
		return false, err
	}
	highest := map[string]uint64{}
	for _, c := range counts {
		highest[c.host] = max(highest[c.host], c.n)
	}
	total := uint64(0)
	for _, n := range highest {
		total += n
	}
	if total > m.o.Limit-m.o.Block {
		return false, nil
	}
	value := append(binary.BigEndian.AppendUint64([]byte{1}, highest[m.o.Host]+m.o.Block), m.o.Host...)
	_, err = m.ctx.CreateObject(s, []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_DATA), attr(p11.CKA_TOKEN, true), attr(p11.CKA_PRIVATE, true),
		attr(p11.CKA_APPLICATION, application), attr(p11.CKA_LABEL, name), attr(p11.CKA_VALUE, value),
	})
	if err != nil {
		return false, fmt.Errorf("counting encryptions in the device: %w", err)
	}
	for _, c := range counts {
		if c.host == m.o.Host {
			m.destroy(s, c.object)
		}
	}
	return true, nil
}

func (m *Module) counts(s p11.SessionHandle, name string) ([]count, error) {
	found, err := m.search(s, attr(p11.CKA_CLASS, p11.CKO_DATA), attr(p11.CKA_APPLICATION, application), attr(p11.CKA_LABEL, name))
	if err != nil {
		return nil, err
	}
	var all []count
	for _, object := range found {
		value, err := m.attribute(s, object, p11.CKA_VALUE)
		if err != nil {
			return nil, err
		}
		if len(value) < 9 || value[0] != 1 {
			return nil, fmt.Errorf("%w: a count of encryptions is damaged", hsm.ErrUnavailable)
		}
		all = append(all, count{object, string(value[9:]), binary.BigEndian.Uint64(value[1:])})
	}
	return all, nil
}

// countLabel names a count by the material, since imported material keeps its identifier when it is imported again.
func countLabel(id hsm.MaterialID, generation uint32) string {
	return fmt.Sprintf("%s count %s %d", application, hex.EncodeToString(id[:16]), generation)
}

package keyring

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/fastpath/authz"
	"trent/hsm"
	"trent/store"
)

// Edit is a key's record and its materials, open for a change. Of the record State, Description, Deletion,
// WindowDays, Current, Rotation, OnDemand, ValidTo, Primary, Resume and Settle may change; the last two go with
// transitional states only. Where the material is imported, ValidTo, Waiting, Lacking and with it PendingImport follow
// from the list of materials.
type Edit struct {
	Record
	Materials []Material // oldest first; the current one is always among them
	Replicas  []string   // Regions of the replicas of a multi-Region primary, in order; not to be changed

	put  []newToken
	drop []hsm.MaterialID
	sync Due // what the copies have to follow; empty: nothing
}

type newToken struct {
	material      hsm.MaterialID
	token, public []byte
}

// PutToken gives the key the token of a material, and its public key where it has one. Both are copied.
func (e *Edit) PutToken(m hsm.MaterialID, token, public []byte) {
	e.put = append(e.put, newToken{m, bytes.Clone(token), bytes.Clone(public)})
}

// DropToken deletes the token of a material, which thereby ceases to be usable; its entry in Materials is the
// caller's to keep or to remove.
func (e *Edit) DropToken(m hsm.MaterialID) { e.drop = append(e.drop, m) }

// Material finds an entry of Materials, nil if there is none.
func (e *Edit) Material(m hsm.MaterialID) *Material {
	for i := range e.Materials {
		if e.Materials[i].ID == m {
			return &e.Materials[i]
		}
	}
	return nil
}

// Update is Edit for changes of the record alone.
func (k *Keyring) Update(ctx context.Context, id ID, f func(r *Record) error) (*Snapshot, error) {
	return k.Edit(ctx, id, func(e *Edit) error { return f(&e.Record) })
}

// Edit changes a key by f, which may be called several times and must not keep e, in one transaction. A deletion
// date goes with PendingDeletion and with no other state. The copies of a multi-Region key follow what they share with
// their primary before Edit returns, or soon after where that fails. When the key or a material of it may not be used any
// more, the module has forgotten it before Edit returns. Errors: f's unchanged, ErrKeyMissing, ErrImmutable,
// store.ErrConflict after many attempts, store.ErrUnavailable, store.ErrAmbiguous, the module's of Forget (the
// change is then written).
func (k *Keyring) Edit(ctx context.Context, id ID, f func(e *Edit) error) (*Snapshot, error) {
	var e Edit
	var key *hsm.Key
	var public []byte
	var policy *authz.Compiled
	revision, err := k.write(ctx, id, func() (txn store.Txn, err error) {
		if e, txn, err = k.edited(ctx, id, f); err != nil {
			return txn, err
		}
		if policy, _, err = k.policyOf(ctx, id); err != nil {
			return txn, err
		}
		key, public, err = k.tokenAfter(ctx, &e)
		return txn, err
	})
	if err != nil {
		return nil, err
	}
	if e.State != Enabled {
		err = k.forget(ctx, id)
	}
	for _, m := range e.drop {
		if forgetting := k.module.Forget(context.WithoutCancel(ctx), m); forgetting != nil && err == nil {
			err = fmt.Errorf("forgetting a key's material: %w", forgetting)
		}
	}
	k.syncNow(ctx, e.sync)
	if err != nil {
		return nil, err
	}
	e.Revision = revision
	s := &Snapshot{}
	s.set(&e.Record, key, public, policy)
	return s, nil
}

// edited runs f and makes the transaction of what it changed.
func (k *Keyring) edited(ctx context.Context, id ID, f func(e *Edit) error) (e Edit, txn store.Txn, err error) {
	old, err := k.Record(ctx, id)
	if err != nil {
		return e, txn, err
	}
	before, err := k.materialsOf(ctx, &old)
	if err != nil {
		return e, txn, err
	}
	e = Edit{Record: old, Materials: slices.Clone(before)}
	var rel storedRelated
	if old.Leads() {
		if rel, err = k.related(ctx, id); err != nil {
			return e, txn, err
		}
		e.Replicas = rel.Replicas
	}
	if err := f(&e); err != nil {
		return e, txn, err
	}
	if old.MultiRegion {
		e.holdBack(before)
	}
	r := &e.Record
	if r.Origin == External {
		e.settle()
	}
	resumeRotation(&old, r, k.clock())
	r.Created, r.Deletion, r.ValidTo = toMillis(r.Created), toMillis(r.Deletion), toMillis(r.ValidTo)
	r.Rotation.Since, r.Rotation.Next = toMillis(r.Rotation.Since), toMillis(r.Rotation.Next)
	if r.Settle = toMillis(r.Settle); !r.State.Transitional() {
		r.Resume, r.Settle = StateNone, time.Time{}
	}
	if err := checkUpdate(&old, r); err != nil {
		return e, txn, err
	}
	txn.Require = []store.Condition{{Key: id.storeKey(kindKey), Revision: old.Revision}}
	txn.Put = []store.Record{{Key: id.storeKey(kindKey), Value: encodeKey(r, false)}}
	// Every change of the materials rewrites the key record, whose condition therefore covers them too.
	if !slices.Equal(before, e.Materials) {
		txn.Put = append(txn.Put, store.Record{Key: id.storeKey(kindMaterials), Value: encodeMaterials(e.Materials)})
	}
	if err := k.editTokens(ctx, &e, &txn); err != nil {
		return e, txn, err
	}
	reschedule(&old, r, &txn)
	if old.Leads() {
		rel.require(id, &txn)
	}
	if old.MultiRegion {
		k.share(&old, before, &e, &txn)
	}
	return e, txn, nil
}

// editTokens adds what PutToken and DropToken asked for to the transaction.
func (k *Keyring) editTokens(ctx context.Context, e *Edit, txn *store.Txn) error {
	for _, t := range e.put {
		txn.Put = append(txn.Put, store.Record{Key: tokenKey(e.ID, t.material), Value: encodeToken(t.token, t.public)})
		owner := materialKey(e.Partition, t.material)
		_, err := k.store.Load(ctx, owner)
		if errors.Is(err, store.ErrNotFound) {
			txn.Require = append(txn.Require, store.Condition{Key: owner})
			txn.Put = append(txn.Put, store.Record{Key: owner, Value: encodeMaterial(e.Account, e.Key)})
		} else if err != nil {
			return fmt.Errorf("loading a material record: %w", err)
		}
	}
	for _, m := range e.drop {
		txn.Delete = append(txn.Delete, tokenKey(e.ID, m))
	}
	return nil
}

// tokenAfter is the token of the current material as it will be.
func (k *Keyring) tokenAfter(ctx context.Context, e *Edit) (*hsm.Key, []byte, error) {
	if slices.Contains(e.drop, e.Current) {
		return nil, nil, nil
	}
	for _, t := range e.put {
		if t.material == e.Current {
			return keyOf(e.ID, e.MultiRegion, e.Spec, e.Usage, t.material, t.token), t.public, nil
		}
	}
	key, public, err := k.token(ctx, &e.Record)
	if errors.Is(err, store.ErrNotFound) && e.Origin == External {
		return nil, nil, nil
	}
	return key, public, err
}

// dues is what falls due for a key.
func (r *Record) dues() []Due {
	var all []Due
	if !r.Deletion.IsZero() {
		all = append(all, Due{r.ID, TaskDelete, r.Deletion})
	}
	if r.Rotation.Enabled && r.State == Enabled && !r.Rotation.Next.IsZero() && !r.follows() {
		all = append(all, Due{r.ID, TaskRotate, r.Rotation.Next})
	}
	for _, at := range [...]time.Time{r.ValidTo, r.Waiting} {
		if d := (Due{r.ID, TaskExpire, at}); !at.IsZero() && !slices.Contains(all, d) {
			all = append(all, d)
		}
	}
	if r.Resume != StateNone && !r.Settle.IsZero() {
		all = append(all, Due{r.ID, TaskSettle, r.Settle})
	}
	return all
}

// reschedule moves a key's entries in the due index.
func reschedule(old, r *Record, txn *store.Txn) {
	before, after := old.dues(), r.dues()
	for _, d := range before {
		if !slices.Contains(after, d) {
			txn.Delete = append(txn.Delete, dueKey(d))
		}
	}
	for _, d := range after {
		if !slices.Contains(before, d) {
			txn.Put = append(txn.Put, store.Record{Key: dueKey(d), Value: []byte{recordVersion}})
		}
	}
}

func checkUpdate(old, r *Record) error {
	a, b := *old, *r
	for _, v := range []*Record{&a, &b} {
		v.State, v.Description, v.Deletion, v.WindowDays, v.Current = 0, "", time.Time{}, 0, hsm.MaterialID{}
		v.Waiting, v.Lacking = time.Time{}, false
		v.Rotation, v.OnDemand, v.ValidTo, v.Primary, v.Resume, v.Settle = Rotation{}, 0, time.Time{}, "", 0, time.Time{}
	}
	switch {
	case a != b:
		return ErrImmutable
	case r.State == StateNone || r.State >= numStates || r.WindowDays < 0 || r.WindowDays > 1<<16-1:
		return fmt.Errorf("%w: state %d or window of %d days", ErrImmutable, r.State, r.WindowDays)
	case (r.State == PendingDeletion) == r.Deletion.IsZero():
		return fmt.Errorf("%w: a deletion date goes with PendingDeletion only", ErrImmutable)
	}
	return nil
}

// Materials returns the key's materials, the oldest first. It reads the store. Errors: ErrKeyMissing,
// store.ErrUnavailable, ErrRecord.
func (k *Keyring) Materials(ctx context.Context, id ID) (Record, []Material, error) {
	r, err := k.Record(ctx, id)
	if err != nil {
		return r, nil, err
	}
	all, err := k.materialsOf(ctx, &r)
	return r, all, err
}

func (k *Keyring) materialsOf(ctx context.Context, r *Record) ([]Material, error) {
	rec, err := k.store.Load(ctx, r.storeKey(kindMaterials))
	if errors.Is(err, store.ErrNotFound) {
		if r.Current == (hsm.MaterialID{}) {
			return nil, nil
		}
		m := Material{ID: r.Current, State: MaterialCurrent, Created: r.Created}
		if r.Origin == External {
			m.Import, m.Expires = Imported, DoesNotExpire
		}
		return []Material{m}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("loading a key's materials: %w", err)
	}
	return decodeMaterials(rec.Value)
}

func encodeMaterials(all []Material) []byte {
	b := binary.BigEndian.AppendUint16([]byte{recordVersion}, uint16(len(all)))
	for i := range all {
		m := &all[i]
		b = append(b, m.ID[:]...)
		b = append(b, uint8(m.State), uint8(m.Import), uint8(m.Expires), uint8(m.Rotation))
		b = appendTime(appendTime(appendTime(b, m.Created), m.Rotated), m.ValidTo)
		b = appendStr16(b, m.Description)
	}
	return b
}

func decodeMaterials(value []byte) ([]Material, error) {
	d := reader{b: value}
	d.version()
	n := int(d.u16())
	all := make([]Material, 0, min(n, len(value)/62))
	for range n {
		var m Material
		copy(m.ID[:], d.take(len(m.ID)))
		m.State, m.Import = MaterialState(d.u8()), ImportState(d.u8())
		m.Expires, m.Rotation = Expiration(d.u8()), RotationType(d.u8())
		m.Created, m.Rotated, m.ValidTo = d.time(), d.time(), d.time()
		m.Description = d.str16()
		if m.State >= numMaterialStates || m.Import >= numImportStates || m.Expires >= numExpirations || m.Rotation >= numRotationTypes {
			d.bad = true
		}
		if d.bad {
			break
		}
		all = append(all, m)
	}
	return all, d.done("materials")
}

package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trent/hsm"
)

const (
	day = 24 * time.Hour
	// tokenRoom holds the token of a symmetric key, in bytes.
	tokenRoom = 1 << 10
	// generateTimeout is how long the module may take to make the material of a rotation.
	generateTimeout = 10 * time.Second
)

// Pending is the imported material that the next rotation makes current, nil if none is there to be used.
func (e *Edit) Pending() *Material {
	for i := range e.Materials {
		if m := &e.Materials[i]; m.State == MaterialPendingRotation && m.Import == Imported {
			return m
		}
	}
	return nil
}

// RotateOnDemand gives a key a new current material at a time, for ever counted in OnDemand, in one transaction; the
// schedule of automatic rotation does not move. The material is made by the module, or it is the pending one of a key
// whose material is imported. check, which may be called several times, sees the very record that is changed and may
// refuse; it must refuse keys that are not symmetric, and keys of imported material without a pending one. Errors:
// check's unchanged, the module's of Generate, Edit's.
func (k *Keyring) RotateOnDemand(ctx context.Context, id ID, at time.Time, check func(e *Edit) error) (*Snapshot, error) {
	var fresh made
	return k.Edit(ctx, id, func(e *Edit) error {
		if err := check(e); err != nil {
			return err
		}
		e.OnDemand++
		return k.rotate(e, &fresh, OnDemand, at)
	})
}

// rotateDue does the automatic rotation that was due at d.At, and which bears that date however late it comes: the
// ones that were missed follow each from the one before.
func (k *Keyring) rotateDue(ctx context.Context, d Due) error {
	var fresh made
	_, err := k.Edit(ctx, d.ID, func(e *Edit) error {
		if !slices.Contains(e.dues(), d) || d.At.After(k.clock()) {
			return ErrNotDue
		}
		e.Rotation.Since, e.Rotation.Next = d.At, d.At.Add(time.Duration(e.Rotation.PeriodDays)*day)
		return k.rotate(e, &fresh, Automatic, d.At)
	})
	if errors.Is(err, ErrKeyMissing) {
		return ErrNotDue
	}
	return err
}

// made is material that the module made for a rotation. A write that is tried again uses it again; what is never
// committed is lost, and nobody has it.
type made struct {
	token []byte
	id    hsm.MaterialID
}

// rotate makes another material the current one. The old one goes on decrypting.
func (k *Keyring) rotate(e *Edit, fresh *made, how RotationType, at time.Time) error {
	next := e.Pending()
	if e.Origin != External {
		if fresh.token == nil {
			if err := k.generate(&e.Record, fresh); err != nil {
				return err
			}
		}
		e.PutToken(fresh.id, fresh.token, nil)
		e.Materials = append(e.Materials, Material{ID: fresh.id, Created: toMillis(at)})
		next = &e.Materials[len(e.Materials)-1]
	}
	if next == nil {
		return fmt.Errorf("rotating a key: %w: no material is pending", ErrImmutable)
	}
	if old := e.Material(e.Current); old != nil {
		old.State = MaterialNonCurrent
	}
	next.State, next.Rotation, next.Rotated = MaterialCurrent, how, toMillis(at)
	e.Current = next.ID
	if !next.ValidTo.IsZero() && (e.ValidTo.IsZero() || next.ValidTo.Before(e.ValidTo)) {
		e.ValidTo = next.ValidTo
	}
	return nil
}

// generate has the module make material for a key that has an identity already.
func (k *Keyring) generate(r *Record, fresh *made) error {
	c := hsm.Call{
		Op: hsm.OpGenerate, Spec: r.Spec, Usage: r.Usage, Out: make([]byte, 0, tokenRoom),
		Key:      keyOf(r.ID, r.MultiRegion, r.Spec, r.Usage, hsm.MaterialID{}, nil),
		Deadline: time.Now().Add(generateTimeout),
	}
	if err := k.module.Do(&c); err != nil {
		return fmt.Errorf("generating key material: %w", err)
	}
	fresh.token, fresh.id = c.Out, c.Material
	return nil
}

// StartRotation switches automatic rotation on at now, or changes its period. The next date counts from the last
// automatic rotation or from when it was switched on; where the new period puts it into the past, it is now.
func (r *Record) StartRotation(now time.Time, periodDays int) {
	if !r.Rotation.Enabled {
		r.Rotation = Rotation{Enabled: true, Since: toMillis(now)}
	}
	r.Rotation.PeriodDays = periodDays
	r.Rotation.Next = r.Rotation.Since.Add(time.Duration(periodDays) * day)
	if r.Rotation.Next.Before(now) {
		r.Rotation.Next = toMillis(now)
	}
}

// follows tells whether the key is a copy whose shared properties, rotation among them, are those of the primary in
// another Region.
func (r *Record) follows() bool { return r.MultiRegion && r.Primary != "" && r.Primary != r.Region }

// resumeRotation moves the rotations that fell due while the key could not be rotated to the moment when it can be
// again: there is one, not one for each period.
func resumeRotation(old, r *Record, now time.Time) {
	if old.State != Enabled && r.State == Enabled && r.Rotation.Enabled && r.Rotation.Next.Before(now) && !r.follows() {
		r.Rotation.Next = toMillis(now)
	}
}

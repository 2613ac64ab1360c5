package store

import (
	"bytes"
	"fmt"
)

// Check tells whether t keeps the limits of every engine; engines call it first. Errors: ErrTooLarge (too many
// entries, a key or a value too long), ErrInvalid (an empty key, or a key written twice by Put and Delete).
// The errors name positions, never keys or values.
func (t Txn) Check() error {
	if n := len(t.Require) + len(t.Put) + len(t.Delete); n > MaxTxnEntries {
		return fmt.Errorf("checking a transaction of %d entries (at most %d): %w", n, MaxTxnEntries, ErrTooLarge)
	}
	for i, c := range t.Require {
		if err := checkKey("condition", i, c.Key); err != nil {
			return err
		}
	}
	for i, r := range t.Put {
		if err := checkKey("put", i, r.Key); err != nil {
			return err
		}
		if len(r.Value) > MaxValueBytes {
			return fmt.Errorf("checking put %d: value of %d bytes (at most %d): %w", i, len(r.Value), MaxValueBytes, ErrTooLarge)
		}
		for j := range i {
			if bytes.Equal(t.Put[j].Key, r.Key) {
				return fmt.Errorf("checking put %d: same key as put %d: %w", i, j, ErrInvalid)
			}
		}
	}
	for i, key := range t.Delete {
		if err := checkKey("delete", i, key); err != nil {
			return err
		}
		for j := range t.Put {
			if bytes.Equal(t.Put[j].Key, key) {
				return fmt.Errorf("checking delete %d: same key as put %d: %w", i, j, ErrInvalid)
			}
		}
		for j := range i {
			if bytes.Equal(t.Delete[j], key) {
				return fmt.Errorf("checking delete %d: same key as delete %d: %w", i, j, ErrInvalid)
			}
		}
	}
	return nil
}

func checkKey(kind string, i int, key []byte) error {
	switch {
	case len(key) == 0:
		return fmt.Errorf("checking %s %d: empty key: %w", kind, i, ErrInvalid)
	case len(key) > MaxKeyBytes:
		return fmt.Errorf("checking %s %d: key of %d bytes (at most %d): %w", kind, i, len(key), MaxKeyBytes, ErrTooLarge)
	}
	return nil
}

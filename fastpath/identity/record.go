package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"trent/store"
)

// Records of what the administration changed: "idn", kind, partition, account and name with NUL between them hold a
// record, sealed. An entity's record holds for as long as the config file says of the entity what it said when the record
// was written; where the file says something else since, the file is right.
const (
	recordPrefix = "idn\x00"
	recordParts  = 5
	recordsAPage = 256
)

// record is the value of one, in JSON.
type record struct {
	Spec       json.RawMessage `json:"spec,omitempty"` // absent: deleted
	Generation int             `json:"generation,omitempty"`
	// Declared is the digest of what the config file said, in hex; empty: nothing.
	Declared string `json:"declared,omitempty"`
}

// encode writes a value as a record has it: with texts as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("identity: " + err.Error()) // specs are made of texts, numbers and lists
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// digest is of all that an entity says.
func (e *entity) digest() [sha256.Size]byte { return sha256.Sum256(encode(e.spec)) }

// place is the key of the record.
func (r ref) place() []byte {
	return []byte(recordPrefix + strings.Join([]string{r.kind, r.partition, r.account, r.name}, "\x00"))
}

// newSpec is an empty spec of a kind, nil of an unknown one.
func newSpec(kind string) any {
	switch kind {
	case kindPolicy:
		return new(Document)
	case kindAccount:
		return new(AccountConfig)
	case kindUser:
		return new(UserConfig)
	case kindGroup:
		return new(GroupConfig)
	case kindRole:
		return new(RoleConfig)
	case kindProvider:
		return new(ProviderConfig)
	case kindService:
		return new(ServiceCredentialConfig)
	}
	return nil
}

// declaredHex is what a record of key says of the config file.
func (d *Directory) declaredHex(key ref) string {
	sum, ok := d.declared[key]
	if !ok {
		return ""
	}
	return hex.EncodeToString(sum[:])
}

// load puts the records over what is declared.
func (d *Directory) load(ctx context.Context) error {
	if d.options.Store == nil {
		return nil
	}
	var after []byte
	for {
		records, more, err := d.options.Store.List(ctx, []byte(recordPrefix), after, recordsAPage)
		if err != nil {
			return fmt.Errorf("reading the principals that were changed at run time: %w", err)
		}
		for i := range records {
			if err := d.loadOne(records[i].Key, records[i].Value); err != nil {
				return fmt.Errorf("reading the principals that were changed at run time: %w", err)
			}
			after = records[i].Key
		}
		if !more {
			return nil
		}
	}
}

func (d *Directory) loadOne(place, value []byte) error {
	part := strings.Split(string(place), "\x00")
	if len(part) != recordParts || newSpec(part[1]) == nil {
		return fmt.Errorf("%q is no place of a record", place)
	}
	text, err := d.seal.opened(place, value)
	if err != nil {
		return err
	}
	key := ref{part[1], part[2], part[3], part[4]}
	var r record
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	if r.Declared != d.declaredHex(key) {
		if e := d.entities[key]; e != nil {
			e.generation = r.Generation
			d.options.Logf("principals: %s was changed at run time, but the config file says something new of it since, which holds", key)
		} else {
			d.options.Logf("principals: %s was changed at run time, but the config file has dropped it since, which holds", key)
		}
		return nil
	}
	if r.Spec == nil {
		delete(d.entities, key)
		d.gone[key] = r.Generation
		return nil
	}
	e := &entity{ref: key, spec: newSpec(key.kind), path: runTimePath(key), generation: r.Generation, admin: true}
	if err := json.Unmarshal(r.Spec, e.spec); err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	e.name = e.declaredName()
	d.entities[key] = e
	return nil
}

// runTimePath stands for the path in a configuration of what the administration declared.
func runTimePath(r ref) string { return "(" + r.String() + ", changed at run time)" }

// declaredName is the entity's name as it was given, which the key of a record has in lower case.
func (e *entity) declaredName() string {
	switch spec := e.spec.(type) {
	case *UserConfig:
		return spec.Name
	case *GroupConfig:
		return spec.Name
	case *RoleConfig:
		return spec.Name
	}
	return e.name
}

// persist makes a change durable: entities by key, nil where one is deleted.
func (d *Directory) persist(ctx context.Context, changed map[ref]*entity, generations map[ref]int) error {
	if d.options.Store == nil {
		return nil
	}
	if len(changed) > store.MaxTxnEntries {
		return wrong("", "this changes %d users, roles and the like, and at most %d can change at once: apply it in parts", len(changed), store.MaxTxnEntries)
	}
	var txn store.Txn
	for key, e := range changed {
		r := record{Generation: generations[key], Declared: d.declaredHex(key)}
		if e != nil {
			r.Spec = encode(e.spec)
		}
		value, err := d.seal.sealed(key.place(), encode(r))
		if err != nil {
			return err
		}
		if len(value) > store.MaxValueBytes {
			return wrong(e.path, "this is larger than %d bytes", store.MaxValueBytes)
		}
		txn.Put = append(txn.Put, store.Record{Key: key.place(), Value: value})
	}
	_, err := d.options.Store.Commit(ctx, txn)
	if errors.Is(err, store.ErrAmbiguous) && d.applied(&txn.Put[0]) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("keeping the change of principals: %w", err)
	}
	return nil
}

// applied tells whether a transaction whose end is not known is in force after all.
func (d *Directory) applied(r *store.Record) bool {
	now, err := d.options.Store.Load(context.Background(), r.Key)
	return err == nil && bytes.Equal(now.Value, r.Value)
}

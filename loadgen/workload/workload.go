// Package workload describes what a load test sends: a mix of operations, the keys they use and how popular each key is, payload
// sizes and encryption contexts.
//
// A workload comes from a strict YAML file (Parse) or is one of the built-in ones (Load). Its Sequence says for hit n which entry,
// key and payload it has: a pure function of seed and n, so that any number of workers agree without sharing anything. Its Bodies
// append the JSON request of a hit to a buffer. Nothing here sends or times; keys and ciphertexts are made by the engine.
//
// A Workload is immutable once loaded. Workload, Sequence and Bodies are safe for concurrent use and start no goroutine.
package workload

import "fmt"

// Workload is a description of traffic.
type Workload struct {
	Name        string     `yaml:"name"`
	Description string     `yaml:"description"`
	Keys        []KeyGroup `yaml:"keys"`
	Mix         []Entry    `yaml:"mix"`
}

// KeyGroup is a set of equal keys.
type KeyGroup struct {
	Name  string `yaml:"name"`
	Spec  string `yaml:"spec"`  // as the API spells it; default SYMMETRIC_DEFAULT
	Usage string `yaml:"usage"` // default: the spec's only usage, for RSA ENCRYPT_DECRYPT
	Count int    `yaml:"count"` // default 1
	// Popularity is how hits spread over the keys; default uniform.
	Popularity Popularity `yaml:"popularity"`
}

// Popularity is uniform, or Zipf where Zipf > 0: key k (from 1) is hit in proportion to 1 ÷ k^Zipf.
type Popularity struct {
	Zipf float64 `yaml:"zipf"`
}

// Entry is one kind of request in the mix.
type Entry struct {
	Name      string  `yaml:"name"` // default: the operation
	Operation string  `yaml:"operation"`
	Weight    float64 `yaml:"weight"` // default 1
	Keys      string  `yaml:"keys"`   // name of the key group; default: the only one
	// Payload is the size of what is encrypted, signed or generated; default 32 bytes.
	Payload Size `yaml:"payload"`
	// Variants is how many different payloads and contexts the entry uses a key with: ciphertexts for Decrypt, signatures for
	// Verify. Default 4.
	Variants int `yaml:"variants"`
	// Context is the encryption context; "{v}" in a value stands for the number of the variant.
	Context map[string]string `yaml:"context"`
	// Algorithm is the encryption, signing or MAC algorithm; default by key spec.
	Algorithm string `yaml:"algorithm"`
	// DataKeySpec of GenerateDataKey: AES_256 (default) or AES_128, unless a payload size is given.
	DataKeySpec string `yaml:"data_key_spec"`
	// PairSpec of GenerateDataKeyPair: default ECC_NIST_P256.
	PairSpec string `yaml:"pair_spec"`
	// MessageType of Sign and Verify: RAW (default) or DIGEST.
	MessageType string `yaml:"message_type"`
	// Destination is ReEncrypt's destination key group; default: the same group's next key.
	Destination string `yaml:"destination"`
	// SendKeyID makes a symmetric Decrypt name its key. Default false: the ciphertext says which.
	SendKeyID bool `yaml:"send_key_id"`
	// Service, Caller and Cause say who causes the requests, for reports; they change nothing of what is sent.
	Service string `yaml:"service"`
	Caller  string `yaml:"caller"`
	Cause   string `yaml:"cause"`

	group       int // index into Keys, −1 for operations without a key
	destination int
	usage       string // of its key; "" for operations without a key
}

// New completes and checks a workload that was not read from a file. w is changed and must not be used otherwise.
func New(w *Workload) (*Workload, error) {
	if path, message := w.complete(); message != "" {
		return nil, fmt.Errorf("workload %s: %s: %s", w.Name, path, message)
	}
	return w, nil
}

// EntryNames are the names of the mix, by index, as measure.Config wants them.
func (w *Workload) EntryNames() []string {
	names := make([]string, len(w.Mix))
	for i := range w.Mix {
		names[i] = w.Mix[i].Name
	}
	return names
}

// KeyCount is the number of keys in all groups.
func (w *Workload) KeyCount() int {
	n := 0
	for i := range w.Keys {
		n += w.Keys[i].Count
	}
	return n
}

// Group returns the index of the entry's key group, −1 for an operation that uses no key.
func (e *Entry) Group() int { return e.group }

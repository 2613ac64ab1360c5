package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"trent/hsm/internal/gcm"
)

// FileName is the sealed file's name in the data directory.
const FileName = "domain.sealed"

// kind is what lies sealed in a file.
type kind struct {
	magic  string // 8 bytes
	format uint16 // what is written; older ones are read
	noun   string // what messages call it
	prefix string // of names that are made up
	loss   string // what to do about a damaged one
	length func(format uint16, sealed int) bool
}

// The kinds.
var (
	domainFile = kind{
		magic: magic, format: 2, noun: "domain", prefix: "domain-", length: sealedLength,
		loss: "restore it from a backup; without it the keys of this data directory cannot be opened",
	}
	identityFile = kind{
		magic: "trentidn", format: 1, noun: "module identity", prefix: "hsm-", length: identityLength,
		loss: "restore it from a backup, or remove it and let the module join its domain again as a new one",
	}
)

const (
	magic       = "trentdom"
	saltSize    = 32
	idSize      = 16
	maxName     = 64
	fixedHeader = 69 // up to the name
	entrySize   = 4 + 8 + 8 + 32
	entrySize1  = 4 + 32 // of format 1
	sumSize     = sha256.Size
)

// header is the part of the sealed file that is not secret.
type header struct {
	method method
	argon  Argon2Params
	rounds int // of byPBKDF2; 0 otherwise
	salt   [saltSize]byte
	id     [idSize]byte
	name   string
}

// append writes offsets 0 to 72+l; n is the length of what is sealed.
func (h *header) append(dst []byte, k kind, n int) []byte {
	dst = append(dst, k.magic...)
	dst = binary.BigEndian.AppendUint16(dst, k.format)
	dst = append(dst, byte(h.method), h.argon.Parallelism)
	dst = binary.BigEndian.AppendUint32(dst, h.argon.Passes|uint32(h.rounds)) // one of them is 0
	dst = binary.BigEndian.AppendUint32(dst, h.argon.MemoryKiB)
	dst = append(dst, h.salt[:]...)
	dst = append(dst, h.id[:]...)
	dst = append(dst, byte(len(h.name)))
	dst = append(dst, h.name...)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// sealedFile is a file taken apart; aad, nonce and sealed are views.
type sealedFile struct {
	header
	format             uint16
	aad, nonce, sealed []byte
}

// parse takes a file apart. Errors: errNotOurs and errNewer, for the caller to explain.
func parse(file []byte, k kind) (*sealedFile, error) {
	if len(file) < fixedHeader+sumSize || string(file[:len(k.magic)]) != k.magic {
		return nil, errNotOurs
	}
	body, sum := file[:len(file)-sumSize], file[len(file)-sumSize:]
	if want := sha256.Sum256(body); !bytes.Equal(want[:], sum) {
		return nil, errNotOurs
	}
	format := binary.BigEndian.Uint16(body[8:])
	switch {
	case format > k.format:
		return nil, errNewer
	case format == 0:
		return nil, errNotOurs
	}
	f := &sealedFile{format: format, header: header{
		method: method(body[10]),
		argon: Argon2Params{
			Parallelism: body[11],
			Passes:      binary.BigEndian.Uint32(body[12:]),
			MemoryKiB:   binary.BigEndian.Uint32(body[16:]),
		},
		salt: [saltSize]byte(body[20:]),
		id:   [idSize]byte(body[52:]),
	}}
	if f.method == byPBKDF2 {
		f.rounds, f.argon.Passes = int(f.argon.Passes), 0
	}
	nameEnd := fixedHeader + int(body[68])
	if len(body) < nameEnd+4+gcm.NonceSize {
		return nil, errNotOurs
	}
	f.name = string(body[fixedHeader:nameEnd])
	n := binary.BigEndian.Uint32(body[nameEnd:])
	f.aad = body[:nameEnd+4]
	f.nonce = body[nameEnd+4:][:gcm.NonceSize]
	f.sealed = body[nameEnd+4+gcm.NonceSize:]
	if uint64(n) != uint64(len(f.sealed)) || !f.valid() || !k.length(format, len(f.sealed)) {
		return nil, errNotOurs
	}
	return f, nil
}

var (
	errNotOurs = errors.New("domain: not a sealed file")
	errNewer   = errors.New("domain: a newer format")
)

// valid checks the fields that no writer of this version would write otherwise.
func (h *header) valid() bool {
	switch h.method {
	case byKey:
		return h.argon == Argon2Params{} && validName(h.name)
	case byPassphrase:
		return h.argon.valid() && validName(h.name)
	case byPBKDF2:
		return h.argon == Argon2Params{} && validRounds(h.rounds) && validName(h.name)
	}
	return false
}

func validName(name string) bool {
	for i := range len(name) {
		c := name[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return len(name) >= 1 && len(name) <= maxName
}

// sealedLength checks for 1 to MaxKeys keys and a tag.
func sealedLength(format uint16, n int) bool {
	size := entrySizeOf(format)
	n -= gcm.TagSize + 4
	return n >= size && n%size == 0 && n/size <= MaxKeys
}

func entrySizeOf(format uint16) int {
	if format == 1 {
		return entrySize1
	}
	return entrySize
}

// writeFile puts a file in place, durably; replace says whether one is there already, and without it an
// existing file is an error and stays.
func writeFile(path string, content []byte, replace bool) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("making a file: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreNotExist(os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	if replace {
		err = os.Rename(f.Name(), path)
	} else if err = os.Link(f.Name(), path); err == nil { // unlike rename, link never replaces
		err = os.Remove(f.Name())
	}
	if err != nil {
		return fmt.Errorf("putting %s in place: %w", path, err)
	}
	return syncDir(dir)
}

func ignoreNotExist(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return nil
}

// assemble joins the parts of a file and its checksum.
func assemble(aad, nonce, sealed []byte) []byte {
	file := append(append(append([]byte(nil), aad...), nonce...), sealed...)
	sum := sha256.Sum256(file)
	return append(file, sum[:]...)
}

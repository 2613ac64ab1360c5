package sigv4

import (
	"bytes"
	"crypto/sha256"
	"hash/maphash"
	"sync/atomic"
)

// signingKey is a derived signing key as HMAC's two padded blocks (RFC 2104), ready to be hashed. Immutable.
type signingKey struct {
	credential string // ACCESSKEY/DATE/REGION/SERVICE/aws4_request
	secret     []byte // the credential's own slice: a key of another secret is not used
	inner      [sha256.BlockSize]byte
	outer      [sha256.BlockSize]byte
}

// newSigningKey derives the key of a day, Region and service ("Calculate the signature" in the IAM User Guide).
func newSigningKey(secret []byte, c *claim) *signingKey {
	seed := append([]byte("AWS4"), secret...)
	day := hmacSHA256(seed, c.date)
	region := hmacSHA256(day[:], c.region)
	service := hmacSHA256(region[:], c.service)
	last := hmacSHA256(service[:], []byte(terminator))
	clear(seed)
	k := &signingKey{credential: string(c.credential), secret: secret}
	k.inner, k.outer = pad(last[:])
	return k
}

// pad makes HMAC's blocks of a key. crypto/hmac is not used because its FIPS-only mode refuses the short
// secrets that test credentials have.
func pad(key []byte) (inner, outer [sha256.BlockSize]byte) {
	if len(key) > sha256.BlockSize {
		sum := sha256.Sum256(key)
		key = sum[:]
	}
	copy(inner[:], key)
	outer = inner
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}

func hmacSHA256(key, message []byte) [sha256.Size]byte {
	inner, outer := pad(key)
	sum := sha256.Sum256(append(inner[:], message...))
	return sha256.Sum256(append(outer[:], sum[:]...))
}

// keyCacheSize is how many signing keys are kept at most: about 300 bytes each.
const keyCacheSize = 1024

// keyCache keeps signing keys without locks: a table of pairs of slots. Only keys that verified a signature
// come in, so that nobody without a secret can push others out. Safe for concurrent use.
type keyCache struct {
	seed  maphash.Seed
	slots [keyCacheSize]atomic.Pointer[signingKey]
}

func newKeyCache() *keyCache { return &keyCache{seed: maphash.MakeSeed()} }

// find looks a key up; it is used only if it was made of the same secret.
func (k *keyCache) find(credential, secret []byte) (*signingKey, bool) {
	slot := maphash.Bytes(k.seed, credential) % keyCacheSize
	for _, i := range [2]uint64{slot, slot ^ 1} {
		if found := k.slots[i].Load(); found != nil && found.credential == string(credential) && bytes.Equal(found.secret, secret) {
			return found, true
		}
	}
	return nil, false
}

// add keeps a key in its slot; the key that was there moves to the other slot of the pair.
func (k *keyCache) add(key *signingKey) {
	slot := maphash.String(k.seed, key.credential) % keyCacheSize
	if old := k.slots[slot].Swap(key); old != nil && old.credential != key.credential {
		k.slots[slot^1].Store(old)
	}
}

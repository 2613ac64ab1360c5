package hsm

import (
	"context"
	"encoding/hex"
	"errors"
	"time"
)

// Module is one HSM, or several behind one door. Safe for concurrent use.
type Module interface {
	// Do runs c to its end. It appends to c.Out, c.Secret and c.Public within their capacity; when it
	// returns, also by ErrDeadline, nothing in the module touches c any more. Errors: ErrAuthentication,
	// ErrMismatch (Verify*), ErrToken, ErrUnsupported, ErrDomain, ErrDeadline, ErrBusy (never started:
	// safe to retry), ErrUnavailable (may have run), ErrShort (capacity), ErrInput.
	Do(c *Call) error
	// Forget wipes all ready state of a material and returns once no Call can use it.
	Forget(ctx context.Context, m MaterialID) error
	// Status is health, domain number, mechanisms and queue, for fleet and metrics.
	Status(ctx context.Context) (Status, error)
	// Close wipes everything the module holds. No Call may be in progress or follow, but GeneratePool, which
	// then ends with ErrUnavailable.
	Close() error
}

// Errors of a Module. They are compared with errors.Is; none carries key bytes, plaintext or a cause
// that tells one failed authentication from another.
var (
	ErrAuthentication = errors.New("hsm: authentication failed")
	ErrMismatch       = errors.New("hsm: signature or MAC does not match")
	ErrToken          = errors.New("hsm: key token is not valid here")
	ErrUnsupported    = errors.New("hsm: operation not supported for this key")
	ErrDomain         = errors.New("hsm: token belongs to another domain or an unknown version")
	ErrDeadline       = errors.New("hsm: deadline exceeded")
	ErrBusy           = errors.New("hsm: busy, not started")
	ErrUnavailable    = errors.New("hsm: unavailable, may have run")
	ErrShort          = errors.New("hsm: result does not fit its buffer")
	// ErrInput is a plaintext too long for its key and algorithm, a digest or message representative not of its
	// algorithm's length, or an N out of range: what whoever calls a module checks first.
	ErrInput = errors.New("hsm: input does not fit key and algorithm")
	// ErrMaterial is imported material that is not of its key's spec, or not the one that is asked for.
	ErrMaterial = errors.New("hsm: not the key material that is expected")
	// ErrImportToken is an import token that is broken or made for another key, ErrExpired one whose time is over.
	ErrImportToken = errors.New("hsm: import token is not valid for this key")
	ErrExpired     = errors.New("hsm: import token has expired")
	// ErrPeer is a public key, of a peer or a recipient, that is none or not of the key's curve.
	ErrPeer = errors.New("hsm: public key is not valid for this operation")
)

// Call is one command: flat, pooled by the caller, reused without allocation. The zero value of every
// field means "not given". Out, Secret and Public are appended to within their capacity.
type Call struct {
	Op        Op
	Algorithm Algorithm // zero: the key spec's only one
	// TargetAlgorithm is ReEncrypt's algorithm of the destination; zero: the spec's only one.
	TargetAlgorithm Algorithm
	Spec            KeySpec   // Generate: what to make
	Usage           Usage     // Generate: for what
	Wrapping        Wrapping  // ImportToken, WrappingKey where it is known: how the material will be wrapped
	Digest          bool      // Sign, Verify: In is a digest
	ExternalMu      bool      // Sign, Verify by ML-DSA: In is the 64-byte message representative μ (FIPS 204, 6.2)
	N               int       // bytes wanted (DataKey, Random)
	Deadline        time.Time // monotonic; zero: none
	Time            time.Time // ImportToken: when it ends; Import: now. By the service's clock, which tests move

	Key, Target *Key   // source, and destination for ReEncrypt and Adopt
	AAD         []byte // canonical encryption context (AppendContext); the module puts header and identity before it
	TargetAAD   []byte // ReEncrypt: the destination's
	In, In2     []byte // plaintext, ciphertext or message; signature, MAC or import token
	Recipient   []byte // attested public key: Secret then holds CMS EnvelopedData

	Out      []byte // ciphertext, signature, MAC, token
	Secret   []byte // plaintext results; the caller wipes them
	Public   []byte // SubjectPublicKeyInfo (DER)
	Material MaterialID
	Err      error // DoBatch only

	worker uint32 // where the last call found a free worker; a hint only
	aad    []byte // room for additional data that is longer than a worker's
}

// Key names a key to the module. Immutable, shared by snapshots, never copied.
type Key struct {
	Token    []byte // the key under a domain key, or a device's handle and its MAC
	Identity []byte // AppendIdentity's encoding; bound as AAD
	Material MaterialID
	Spec     KeySpec
	Usage    Usage
}

// MaterialID names one version of a key's material: HMAC-SHA256(material, "trent material id" ‖ key id),
// made inside the module. Its 64 hex digits are the API's KeyMaterialId.
type MaterialID [32]byte

// String is the API's form, 64 lower-case hex digits.
func (m MaterialID) String() string { return hex.EncodeToString(m[:]) }

// Op is what a Call asks for. Which fields each reads and appends:
//
//	Encrypt    Key, Algorithm, AAD, In → Out (blob or bare RSA or SM2 ciphertext), Material
//	Decrypt    Key, Algorithm, AAD, In → Secret, Material
//	ReEncrypt  Key, Target, AAD, TargetAAD, In → Out, Material (the target's); symmetric or RSA on either
//	           side: Algorithm is the source's, TargetAlgorithm the target's
//	DataKey    Key, AAD, N → Out (blob), Secret (N bytes; only if cap(Secret) > 0), Material
//	Random     N → Secret
//	Sign       Key, Algorithm, Digest or ExternalMu, In → Out (signature: DER for the curves, else the scheme's own)
//	Verify     Key, Algorithm, Digest or ExternalMu, In, In2 → ErrMismatch or nil
//	MAC        Key, Algorithm, In → Out
//	VerifyMAC  Key, Algorithm, In, In2 → ErrMismatch or nil
//	Generate   Spec, Usage, Key (Identity only) → Out (token), Public (asymmetric), Material
//	GeneratePool Spec, Usage → Out (pool token), Public: a key without identity yet, for Adopt; no Usage: an
//	           asymmetric key for any usage of its spec, for DataKeyPair and WrappingKey
//	Adopt      Key (pool token), Target (Identity, Spec, Usage) → Out (key token), Public, Material;
//	           the spec must be the pool token's, and the usage unless that has none
//	Rewrap     Key → Out: the same key under the newest domain key. Key may hold a pool token (no Identity and no
//	           Material) or a wrapping key's (Usage EncryptDecrypt, Identity of the key to import into); import tokens
//	           and session keys give ErrToken
//	DataKeyPair Key (symmetric), AAD, Spec; Target: a pool token of Spec to use, nil: make one → Out (blob of
//	           the PKCS #8 private key), Public, Secret (PKCS #8 DER; only if cap(Secret) > 0), Material
//	Derive     Key (KeyAgreement), In (peer's SubjectPublicKeyInfo) → Secret (the shared secret)
//	Encapsulate Key → Out (ciphertext), Secret (32 bytes)
//	Decapsulate Key, In (ciphertext) → Secret (32 bytes); ErrAuthentication for another length, any other alteration
//	           gives another secret (implicit rejection)
//	WrappingKey Spec (RSA or SM2), Key (Identity of the key to import into); Target: a pool token of Spec to
//	           use, nil: make one → Out (token of the wrapping key), Public, Material (its identifier)
//	ImportToken Key (Identity, Spec, Usage of the key to import into), Target (Spec, Material of a wrapping key made
//	           for it), Wrapping, Time → Out (import token, ImportTokenSize bytes)
//	Import     Key (Token of the wrapping key that the import token names: WrappingKeyOf), Target (Identity, Spec,
//	           Usage of the key to import into; its Material: the only one that is accepted, zero: any), Time,
//	           In (wrapped material), In2 (import token) → Out (token), Public, Material. Errors, in this order:
//	           ErrImportToken, ErrExpired, ErrToken for the wrapping key, ErrAuthentication for whatever cannot be
//	           unwrapped, ErrMaterial for material that is not of Spec or not Target.Material
//
// With a Recipient, the SubjectPublicKeyInfo of an RSA key of 2,048 bits or more, DataKey, DataKeyPair, Decrypt,
// Derive and Random put CMS EnvelopedData (RFC 5652) to that key into Secret instead of the plaintext, which does
// not leave the module then. RecipientOverhead bounds what it adds. Errors: ErrPeer for a Recipient that is none.
type Op uint8

// The operations of a module.
const (
	OpNone Op = iota
	OpEncrypt
	OpDecrypt
	OpReEncrypt
	OpDataKey
	OpRandom
	OpSign
	OpVerify
	OpMAC
	OpVerifyMAC
	OpGenerate
	OpGeneratePool
	OpAdopt
	OpRewrap
	OpDataKeyPair
	OpDerive
	OpEncapsulate
	OpDecapsulate
	OpWrappingKey
	OpImport
	OpImportToken
	NumOps
)

// KeySpec is the API's KeySpec. Values are stable: they are part of tokens.
type KeySpec uint8

// Key specs.
const (
	SpecNone KeySpec = iota
	SymmetricDefault
	RSA2048
	RSA3072
	RSA4096
	P256
	P384
	P521
	HMAC224
	HMAC256
	HMAC384
	HMAC512
	SM4 // what SYMMETRIC_DEFAULT is in China Regions: a 128-bit SM4 key
	Secp256k1
	Ed25519
	MLDSA44
	MLDSA65
	MLDSA87
	MLKEM512
	MLKEM768
	MLKEM1024
	SM2
)

// Usage is the API's KeyUsage. Values are stable: they are part of tokens.
type Usage uint8

// Key usages.
const (
	UsageNone Usage = iota
	EncryptDecrypt
	SignVerify
	GenerateVerifyMAC
	KeyAgreement
	EncapsulateDecapsulate
)

// Algorithm is one of the API's encryption, signing, MAC, agreement or encapsulation algorithms.
type Algorithm uint8

// Algorithms.
const (
	AlgorithmNone Algorithm = iota
	AESGCM
	OAEPSHA1
	OAEPSHA256
	PKCS1SHA256
	PKCS1SHA384
	PKCS1SHA512
	PSSSHA256
	PSSSHA384
	PSSSHA512
	ECDSASHA256
	ECDSASHA384
	ECDSASHA512
	HMACSHA224
	HMACSHA256
	HMACSHA384
	HMACSHA512
	SM4GCM
	ED25519SHA512
	ED25519PHSHA512
	MLDSASHAKE256
	SM2DSA
	SM2PKE
	ECDH
	MLKEM
)

// Wrapping is how material to import is wrapped, the API's WrappingAlgorithm. Values are stable: they are part of
// import tokens.
type Wrapping uint8

// Wrapping algorithms.
const (
	WrappingNone Wrapping = iota
	WrapOAEPSHA1
	WrapOAEPSHA256
	WrapRSAAESKeyWrapSHA1
	WrapRSAAESKeyWrapSHA256
	WrapSM2PKE
)

// Status is what a module says of itself.
type Status struct {
	Healthy       bool
	Domain        string          // its name
	DomainNumber  uint64          // of the state held; 0: out of service, or a domain of this module alone
	DomainVersion uint32          // of the domain key that seals
	DomainKeys    []DomainKeyInfo // held, versions ascending; zero times: not recorded
	Workers       int
	Busy          int           // workers claimed at this moment
	Parked        uint64        // sweeps that found no free worker, since start
	Slots         int           // ready keys that a worker can hold; 0: off
	Engines       int           // permits for RSA and ML-DSA operations and key generations
	EnginesBusy   int           // of these, taken at this moment
	EngineQueue   int           // calls waiting for one at this moment
	EngineWaits   uint64        // calls that had to wait, since start
	EngineWaited  time.Duration // how long they waited in all
	Kernels       []string      // AES-GCM kernels usable here, the chosen one first
	Kernel        string
	ArenaKind     string // memfd_secret, mlock, unlocked or heap (race builds)
	ArenaWhy      string // why not something better; empty for memfd_secret
	ArenaBytes    int
	RuntimeSecret bool // runtime/secret is in this build
}

package operation

import (
	"encoding/hex"
	"unsafe"

	"trent/fastpath/attestation"
	"trent/fastpath/authz"
	"trent/fastpath/identity"
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Sizes of a Call's buffers in bytes.
const (
	outCapacity    = 8 << 10 // ciphertext blob of 4,096 bytes, token of an RSA-4096 key, signature
	publicCapacity = 3 << 10 // SubjectPublicKeyInfo of ML-DSA-87: 2,614
	secretCapacity = 4 << 10 // largest plaintext
)

// Call is one request on its way through Resolve and Execute. It is pooled by the chain; the zero value is
// ready. Nothing in it may be kept after Reset.
type Call struct {
	Operation wire.Operation
	Request   wire.Request
	Caller    *identity.Principal
	Scope     keyring.Scope // the caller's account, the endpoint's Region
	Origin    Origin

	// RequestID and EventID are minted for every request: UUIDs of the answer and of its CloudTrail record.
	RequestID, EventID [36]byte

	// Key and Target are what the request's names led to, set by Resolve; Target only for ReEncrypt.
	Key, Target keyring.Resolved
	Response    wire.Response // set by a successful Execute where the operation has an output
	// Attestation is what the document of the request's Recipient says, verified; nil: there is none.
	Attestation *attestation.Document

	row          *row              // set by Resolve
	other        *keyring.Snapshot // the key that an alias named until now; the replica that becomes primary
	alias        string            // that CreateAlias, UpdateAlias and DeleteAlias name
	grant        *keyring.Grant    // that RetireGrant names
	lost         [2]lost           // of Key and Target
	byCiphertext bool              // Key is named by the ciphertext alone
	authorized   bool              // by Authorize
	unattested   error             // why the document in Recipient is not taken

	asked, own authz.Request // own: whether the caller's policies would do
	asking     asking
	grantQuery keyring.GrantQuery
	made       [maxMade]Made
	madeCount  int
	texts      []byte // of facts, and the names of resources

	source *hsm.Key    // Decrypt, ReEncrypt: the key of the ciphertext's material
	refuse *wire.Error // Resolve's finding that ranks after authorization

	module      hsm.Call
	pairs       []hsm.ContextPair
	aad, aad2   []byte
	out, secret []byte
	public      []byte
	hex, hex2   [64]byte
	spare       *usageBlock // to note the next use of a key in

	responses hotResponses
}

// hotResponses are the responses that are filled in place, so that cryptographic operations allocate none.
type hotResponses struct {
	encrypt     wire.EncryptResponse
	decrypt     wire.DecryptResponse
	reEncrypt   wire.ReEncryptResponse
	dataKey     wire.GenerateDataKeyResponse
	dataKeyOnly wire.GenerateDataKeyWithoutPlaintextResponse
	random      wire.GenerateRandomResponse
	sign        wire.SignResponse
	verify      wire.VerifyResponse
	mac         wire.GenerateMacResponse
	verifyMAC   wire.VerifyMacResponse
}

// Reset wipes what the call held of customers' data and makes it ready for the next request. The wiping
// covers what was used, not the whole buffers: a failed command may have used all of them.
func (c *Call) Reset() {
	if c.Response == nil {
		clear(c.secret[:cap(c.secret)])
	} else {
		clear(c.module.Secret)
	}
	clear(c.pairs)
	clear(c.aad)
	clear(c.aad2)
	c.pairs, c.aad, c.aad2 = c.pairs[:0], c.aad[:0], c.aad2[:0]
	c.Operation, c.Request, c.Caller, c.Scope = 0, nil, nil, keyring.Scope{}
	c.Origin = Origin{}
	c.Key, c.Target = keyring.Resolved{}, keyring.Resolved{}
	c.Response, c.Attestation, c.row, c.source, c.refuse = nil, nil, nil, nil, nil
	c.module = hsm.Call{}
	c.resetAuthorization()
}

// prepare hands the call's buffers to the module's command. withSecret is false where a plaintext result
// is not wanted.
func (c *Call) prepare(op hsm.Op, withSecret bool) *hsm.Call {
	if c.out == nil {
		c.out = make([]byte, 0, outCapacity)
		c.secret = make([]byte, 0, secretCapacity)
		c.public = make([]byte, 0, publicCapacity)
	}
	c.module = hsm.Call{Op: op, Out: c.out[:0], Public: c.public[:0]}
	if withSecret {
		c.module.Secret = c.secret[:0]
		if c.Attestation != nil {
			c.address(&c.module)
		}
	}
	return &c.module
}

// context encodes an encryption context into dst as the module binds it. Neither names nor values may be empty.
func (c *Call) context(dst []byte, pairs []wire.Pair) ([]byte, error) {
	c.pairs = c.pairs[:0]
	for _, p := range pairs {
		if len(p.Key) == 0 || len(p.Value) == 0 {
			return dst, validation(invalidContext)
		}
		c.pairs = append(c.pairs, hsm.ContextPair(p))
	}
	aad, err := hsm.AppendContext(dst[:0], c.pairs)
	if err != nil {
		return dst, validation(invalidContext)
	}
	return aad, nil
}

const invalidContext = "Invalid EncryptionContext"

// materialHex writes m's digits into buf, which lies in the call, and returns them as a string that lives
// as long as the call: without it every answer would allocate its KeyMaterialId.
func materialHex(buf *[64]byte, m *hsm.MaterialID) string {
	hex.Encode(buf[:], m[:])
	return unsafe.String(&buf[0], len(buf))
}

//go:build pkcs11

package operator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"

	p11 "github.com/miekg/pkcs11"
)

// deviceKey signs in a PKCS #11 token.
type deviceKey struct {
	mu      sync.Mutex
	ctx     *p11.Ctx
	session p11.SessionHandle
	private p11.ObjectHandle
	public  *ecdsa.PublicKey
}

// OpenPKCS11 logs in to a token and finds the key. The caller closes it.
func OpenPKCS11(o PKCS11) (crypto.Signer, io.Closer, error) {
	ctx := p11.New(o.Library)
	if ctx == nil {
		return nil, nil, fmt.Errorf("opening the PKCS #11 library %s: it cannot be loaded", o.Library)
	}
	k := &deviceKey{ctx: ctx}
	if err := ctx.Initialize(); err != nil {
		ctx.Destroy()
		return nil, nil, fmt.Errorf("opening the PKCS #11 library %s: %w", o.Library, err)
	}
	if err := k.open(o); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("opening the key %q in a PKCS #11 token: %w", o.Label, err), k.Close())
	}
	return k, k, nil
}

func (k *deviceKey) open(o PKCS11) error {
	slots, err := k.ctx.GetSlotList(true)
	if err != nil {
		return err
	}
	var found []uint
	for _, slot := range slots {
		info, err := k.ctx.GetTokenInfo(slot)
		if err == nil && info.Flags&p11.CKF_TOKEN_INITIALIZED != 0 && (o.Token == "" || info.Label == o.Token) {
			found = append(found, slot)
		}
	}
	if len(found) != 1 {
		return fmt.Errorf("%d tokens fit: name one by its label", len(found))
	}
	if k.session, err = k.ctx.OpenSession(found[0], p11.CKF_SERIAL_SESSION); err != nil {
		return err
	}
	pin, err := o.PIN()
	if err != nil {
		return err
	}
	defer clear(pin)
	if err := k.ctx.Login(k.session, p11.CKU_USER, string(pin)); err != nil && !errors.Is(err, p11.Error(p11.CKR_USER_ALREADY_LOGGED_IN)) {
		return err
	}
	if k.private, err = k.find(p11.CKO_PRIVATE_KEY, o.Label); err != nil {
		return err
	}
	public, err := k.find(p11.CKO_PUBLIC_KEY, o.Label)
	if err != nil {
		return err
	}
	return k.readPublic(public)
}

func (k *deviceKey) find(class uint, label string) (p11.ObjectHandle, error) {
	what := []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, class), p11.NewAttribute(p11.CKA_KEY_TYPE, p11.CKK_EC), p11.NewAttribute(p11.CKA_LABEL, label)}
	if err := k.ctx.FindObjectsInit(k.session, what); err != nil {
		return 0, err
	}
	all, _, err := k.ctx.FindObjects(k.session, 2)
	if err := errors.Join(err, k.ctx.FindObjectsFinal(k.session)); err != nil {
		return 0, err
	}
	if len(all) != 1 {
		return 0, fmt.Errorf("%d objects have that label, not one key pair", len(all))
	}
	return all[0], nil
}

// oidP384 is secp384r1, DER (RFC 5480 §2.1.1.1).
const oidP384 = "\x06\x05\x2b\x81\x04\x00\x22"

func (k *deviceKey) readPublic(public p11.ObjectHandle) error {
	values, err := k.ctx.GetAttributeValue(k.session, public, []*p11.Attribute{p11.NewAttribute(p11.CKA_EC_PARAMS, nil), p11.NewAttribute(p11.CKA_EC_POINT, nil)})
	if err != nil {
		return err
	}
	if string(values[0].Value) != oidP384 {
		return errors.New("it is not on the curve P-384")
	}
	var point []byte // DER OCTET STRING (PKCS #11 v2.40, 2.3.3)
	if rest, err := asn1.Unmarshal(values[1].Value, &point); err != nil || len(rest) > 0 {
		point = values[1].Value // some tokens give the bare point
	}
	k.public, err = ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	return err
}

// Public implements crypto.Signer.
func (k *deviceKey) Public() crypto.PublicKey { return k.public }

// Sign implements crypto.Signer: ECDSA in the token.
func (k *deviceKey) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.ctx.SignInit(k.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_ECDSA, nil)}, k.private); err != nil {
		return nil, fmt.Errorf("signing in a PKCS #11 token: %w", err)
	}
	raw, err := k.ctx.Sign(k.session, digest)
	if err != nil {
		return nil, fmt.Errorf("signing in a PKCS #11 token: %w", err)
	}
	if len(raw) != 96 {
		return nil, fmt.Errorf("signing in a PKCS #11 token: a signature of %d bytes", len(raw))
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:48]), new(big.Int).SetBytes(raw[48:])})
}

// Close ends the session and lets go of the library.
func (k *deviceKey) Close() error {
	if k.session != 0 {
		_ = k.ctx.CloseSession(k.session)
	}
	err := k.ctx.Finalize()
	k.ctx.Destroy()
	return err
}

package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"trent/fastpath/keyring"
	"trent/fastpath/wire"
	"trent/hsm"
)

// importRows are the rows of GetParametersForImport, ImportKeyMaterial and DeleteImportedKeyMaterial.
func importRows(t *[wire.NumOperations]row) {
	t[wire.OperationGetParametersForImport] = row{run: getParametersForImport, class: preparing, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.GetParametersForImportRequest).KeyId }}
	t[wire.OperationImportKeyMaterial] = row{run: importKeyMaterial, class: importing, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.ImportKeyMaterialRequest).KeyId }}
	t[wire.OperationDeleteImportedKeyMaterial] = row{run: deleteImportedKeyMaterial, class: discarding, write: true, invalidARN: true,
		key: func(r wire.Request) []byte { return r.(*wire.DeleteImportedKeyMaterialRequest).KeyId }}
}

// The API's wrapping algorithms and wrapping key specs in the module's terms; none: nothing is wrapped so any more.
var (
	wrappingAlgorithms = [...]hsm.Wrapping{
		wire.AlgorithmSpecRsaesPkcs1V15: hsm.WrappingNone,
		wire.AlgorithmSpecRsaesOaepSha1: hsm.WrapOAEPSHA1, wire.AlgorithmSpecRsaesOaepSha256: hsm.WrapOAEPSHA256,
		wire.AlgorithmSpecRsaAesKeyWrapSha1: hsm.WrapRSAAESKeyWrapSHA1, wire.AlgorithmSpecRsaAesKeyWrapSha256: hsm.WrapRSAAESKeyWrapSHA256,
		wire.AlgorithmSpecSm2pke: hsm.WrapSM2PKE,
	}
	wrappingKeySpecs = [...]hsm.KeySpec{
		wire.WrappingKeySpecRsa2048: hsm.RSA2048, wire.WrappingKeySpecRsa3072: hsm.RSA3072, wire.WrappingKeySpecRsa4096: hsm.RSA4096,
		wire.WrappingKeySpecSm2: hsm.SM2,
	}
)

func getParametersForImport(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.GetParametersForImportRequest)
	key := c.Key.Snapshot
	if err := c.imported(key); err != nil {
		return err
	}
	how, spec := wrappingAlgorithms[r.WrappingAlgorithm], wrappingKeySpecs[r.WrappingKeySpec]
	if err := checkWrapping(key, r, how, spec); err != nil {
		return err
	}
	identity := identityOf(key)
	ends := s.clock().Add(hsm.ImportTokenLife).Truncate(time.Millisecond)
	if err := s.withPooled(spec, func(pooled *hsm.Key) error {
		m := c.prepare(hsm.OpWrappingKey, false)
		m.Spec, m.Key, m.Target, m.Wrapping = spec, &hsm.Key{Identity: identity}, pooled, how
		return s.do(c)
	}); err != nil {
		return fmt.Errorf("making a wrapping key: %w", err)
	}
	wrapping := keyring.WrappingKey{ID: c.module.Material, Token: bytes.Clone(c.module.Out), Ends: ends}
	public := bytes.Clone(c.module.Public)

	m := c.prepare(hsm.OpImportToken, false)
	m.Key = &hsm.Key{Identity: identity, Spec: key.Spec, Usage: key.Usage}
	m.Target = &hsm.Key{Spec: spec, Material: wrapping.ID}
	m.Wrapping, m.Time = how, ends
	if err := s.do(c); err != nil {
		return fmt.Errorf("making an import token: %w", err)
	}
	if err := s.keys.PutWrappingKey(ctx, key.ID, wrapping); err != nil {
		return keyGone(c, err)
	}
	c.Response = &wire.GetParametersForImportResponse{
		KeyId: key.ARN, ImportToken: m.Out, PublicKey: public, ParametersValidTo: wire.Some(wire.TimestampOf(ends)),
	}
	return nil
}

// imported makes the checks that all three operations begin with: the key is one of imported material, then its state.
func (c *Call) imported(key *keyring.Snapshot) error {
	if key.Origin != keyring.External {
		return wire.Errorf(wire.CodeUnsupportedOperationException, "%s origin is %s which is not valid for this operation.", key.ARN, key.Origin)
	}
	return checkState(c.row.class, key.State, key.ARN)
}

func checkWrapping(key *keyring.Snapshot, r *wire.GetParametersForImportRequest, how hsm.Wrapping, spec hsm.KeySpec) error {
	refuse := func(format string, args ...any) error {
		return wire.Errorf(wire.CodeUnsupportedOperationException, format, args...)
	}
	hybrid := how == hsm.WrapRSAAESKeyWrapSHA1 || how == hsm.WrapRSAAESKeyWrapSHA256
	switch inChina := key.Partition == chinaPartition; {
	case how == hsm.WrappingNone:
		return refuse("WrappingAlgorithm %s is not supported", r.WrappingAlgorithm)
	case spec == hsm.SM2 && !inChina:
		return refuse("WrappingKeySpec %s is not supported in this Region", r.WrappingKeySpec)
	case hybrid && inChina, how == hsm.WrapSM2PKE && !inChina:
		return refuse("WrappingAlgorithm %s is not supported in this Region", r.WrappingAlgorithm)
	case !hsm.CanImport(key.Spec, how, spec):
		return refuse("WrappingAlgorithm %s with WrappingKeySpec %s is not supported for KeySpec %s",
			r.WrappingAlgorithm, r.WrappingKeySpec, specs[key.Spec].spec)
	}
	return nil
}

// identityOf is what the tokens of a key are bound to.
func identityOf(key *keyring.Snapshot) []byte {
	region := key.Region
	if key.MultiRegion {
		region = ""
	}
	return hsm.AppendIdentity(nil, key.Partition, key.Account, key.Key, region)
}

func importKeyMaterial(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.ImportKeyMaterialRequest)
	key := c.Key.Snapshot
	if err := c.imported(key); err != nil {
		return err
	}
	order, err := newImportOrder(r, key, s.clock())
	if err != nil {
		return err
	}
	if err := s.expect(ctx, c, order); err != nil {
		return err
	}
	m, err := s.unwrap(ctx, c, r, order)
	if err != nil {
		return err
	}
	_, err = s.keys.Edit(ctx, key.ID, func(e *keyring.Edit) error {
		if err := checkState(importing, e.State, key.ARN); err != nil {
			return err
		}
		if err := order.carryOut(e, m.Material); err != nil {
			return err
		}
		e.PutToken(m.Material, m.Out, m.Public)
		return nil
	})
	if err != nil {
		return keyGone(c, err)
	}
	c.Response = &wire.ImportKeyMaterialResponse{KeyId: key.ARN, KeyMaterialId: m.Material.String()}
	return nil
}

// expect lets the module compare the material where only one comes into question; the others are compared by their
// identifiers, with the list that is changed.
func (s *Service) expect(ctx context.Context, c *Call, order *importOrder) error {
	if order.expected != (hsm.MaterialID{}) || order.kind == wire.ImportTypeNewKeyMaterial {
		return nil
	}
	_, materials, err := s.keys.Materials(ctx, c.Key.Snapshot.ID)
	if err != nil {
		return keyGone(c, err)
	}
	if len(materials) == 1 {
		order.expected = materials[0].ID
	}
	return nil
}

// unwrap has the module unwrap the material. A wrapping key that is not there leaves it to the module to say
// whether the import token is a good one whose time is over.
func (s *Service) unwrap(ctx context.Context, c *Call, r *wire.ImportKeyMaterialRequest, order *importOrder) (*hsm.Call, error) {
	key := c.Key.Snapshot
	named, ok := hsm.WrappingKeyOf(r.ImportToken)
	if !ok {
		return nil, wire.Bare(wire.CodeInvalidImportTokenException)
	}
	wrapping, err := s.keys.WrappingKey(ctx, key.ID, named)
	missing := errors.Is(err, keyring.ErrWrappingKeyMissing)
	if err != nil && !missing {
		return nil, fmt.Errorf("finding a wrapping key: %w", err)
	}
	m := c.prepare(hsm.OpImport, false)
	m.Key = &hsm.Key{Token: wrapping.Token}
	m.Target = &hsm.Key{Identity: identityOf(key), Spec: key.Spec, Usage: key.Usage, Material: order.expected}
	m.In, m.In2, m.Time = r.EncryptedKeyMaterial, r.ImportToken, order.now
	switch err := s.do(c); {
	case errors.Is(err, hsm.ErrImportToken), missing && errors.Is(err, hsm.ErrToken):
		return nil, wire.Bare(wire.CodeInvalidImportTokenException)
	case errors.Is(err, hsm.ErrExpired):
		return nil, wire.Bare(wire.CodeExpiredImportTokenException)
	case errors.Is(err, hsm.ErrAuthentication):
		return nil, wire.Bare(wire.CodeInvalidCiphertextException)
	case errors.Is(err, hsm.ErrMaterial):
		return nil, wire.Bare(wire.CodeIncorrectKeyMaterialException)
	case err != nil:
		return nil, fmt.Errorf("importing key material: %w", err)
	}
	return m, nil
}

func deleteImportedKeyMaterial(s *Service, ctx context.Context, c *Call) error {
	r := c.Request.(*wire.DeleteImportedKeyMaterialRequest)
	key := c.Key.Snapshot
	if err := c.imported(key); err != nil {
		return err
	}
	var target hsm.MaterialID
	_, err := s.keys.Edit(ctx, key.ID, func(e *keyring.Edit) error {
		if err := checkState(discarding, e.State, key.ARN); err != nil {
			return err
		}
		target = e.Current
		if r.KeyMaterialId != nil {
			target = materialID(r.KeyMaterialId)
			if e.Material(target) == nil {
				return wire.Errorf(wire.CodeNotFoundException, "Key material '%s' does not exist", r.KeyMaterialId)
			}
		}
		e.Discard(target)
		return nil
	})
	if err != nil {
		return keyGone(c, err)
	}
	resp := &wire.DeleteImportedKeyMaterialResponse{KeyId: key.ARN}
	if target != (hsm.MaterialID{}) {
		resp.KeyMaterialId = target.String()
	}
	c.Response = resp
	return nil
}

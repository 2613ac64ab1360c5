package operation

import (
	"trent/fastpath/keyring"
	"trent/fastpath/quota"
	"trent/fastpath/wire"
	"trent/hsm"
)

// Charge is what a request counts for in one request quota.
type Charge struct {
	Group  quota.Group
	Region string // whose quota of the caller's account is meant
	Store  string // custom key store, of quota.CustomKeyStore only, which all accounts share
	N      int    // requests
}

// Charges are what a request counts for. It is used again without allocation.
type Charges struct {
	list [4]Charge // ReEncrypt between two keys in custom key stores: two groups, two stores
	n    int
}

// All lists the charges.
func (c *Charges) All() []Charge { return c.list[:c.n] }

func (c *Charges) add(g quota.Group, region, store string, n int) {
	charge := Charge{g, region, store, n}
	for _, other := range c.All() {
		if other == charge { // ReEncrypt within one group is one request
			return
		}
	}
	if g != quota.NoGroup {
		c.list[c.n] = charge
		c.n++
	}
}

// operationQuotas is the quota of each operation that has one of its own.
var operationQuotas = func() (all [wire.NumOperations]quota.Group) {
	for op := range all {
		all[op] = quota.ManagementGroup(wire.Operation(op).String())
	}
	return all
}()

// pairQuotas are those of GenerateDataKeyPair and its variant, by the pair's spec. ML-KEM pairs: as the
// operations with ML-KEM keys (chosen).
var pairQuotas = [...]quota.Group{
	wire.DataKeyPairSpecRsa2048:             quota.PairRSA2048,
	wire.DataKeyPairSpecRsa3072:             quota.PairRSA3072,
	wire.DataKeyPairSpecRsa4096:             quota.PairRSA4096,
	wire.DataKeyPairSpecEccNistP256:         quota.PairP256,
	wire.DataKeyPairSpecEccNistP384:         quota.PairP384,
	wire.DataKeyPairSpecEccNistP521:         quota.PairP521,
	wire.DataKeyPairSpecEccSecgP256k1:       quota.PairSecp256k1,
	wire.DataKeyPairSpecSm2:                 quota.PairSM2,
	wire.DataKeyPairSpecEccNistEdwards25519: quota.PairEd25519,
	wire.DataKeyPairSpecMlKem512:            quota.MLKEM,
	wire.DataKeyPairSpecMlKem768:            quota.MLKEM,
	wire.DataKeyPairSpecMlKem1024:           quota.MLKEM,
}

// specQuota is the quota of cryptographic operations with a key. One that is not there counts as symmetric (chosen).
func specQuota(key *keyring.Snapshot) quota.Group {
	if key == nil || key.Missing {
		return quota.Symmetric
	}
	switch key.Spec {
	case hsm.RSA2048, hsm.RSA3072, hsm.RSA4096:
		return quota.RSA
	case hsm.P256, hsm.P384, hsm.P521, hsm.Secp256k1, hsm.Ed25519, hsm.SM2:
		return quota.ECC
	case hsm.MLDSA44, hsm.MLDSA65, hsm.MLDSA87:
		return quota.MLDSA
	case hsm.MLKEM512, hsm.MLKEM768, hsm.MLKEM1024:
		return quota.MLKEM
	}
	return quota.Symmetric
}

// Charge fills into with the request quotas that c counts in, as far as it is known by now (AWS KMS Developer Guide,
// "Request quotas"): by operation, by the spec of its keys, and by their custom key stores.
func (s *Service) Charge(c *Call, into *Charges) {
	into.n = 0
	region := c.Scope.Region
	if own := operationQuotas[c.Operation]; own != quota.NoGroup {
		into.add(own, region, "", 1)
		if key := c.Key.Snapshot; key == nil || !key.MultiRegion {
			return // it fails before it goes to another Region
		}
		switch r := c.Request.(type) {
		case *wire.ReplicateKeyRequest: // one of both is a dry run
			into.add(operationQuotas[wire.OperationCreateKey], string(r.ReplicaRegion), "", 2)
		case *wire.UpdatePrimaryRegionRequest:
			into.add(own, string(r.PrimaryRegion), "", 1)
		}
		return
	}
	switch r := c.Request.(type) {
	case *wire.GenerateDataKeyPairRequest:
		into.add(pairQuotas[r.KeyPairSpec], region, "", 1)
		return
	case *wire.GenerateDataKeyPairWithoutPlaintextRequest:
		into.add(pairQuotas[r.KeyPairSpec], region, "", 1)
		return
	case *wire.GenerateRandomRequest:
		into.add(quota.Symmetric, region, "", 1)
		if r.CustomKeyStoreId != nil {
			into.add(quota.CustomKeyStore, region, string(r.CustomKeyStoreId), 1)
		}
		return
	}
	into.key(c.Key.Snapshot, region)
	if c.Operation == wire.OperationReEncrypt {
		into.key(c.Target.Snapshot, region)
	}
}

// key adds what the use of a key counts for.
func (c *Charges) key(key *keyring.Snapshot, region string) {
	c.add(specQuota(key), region, "", 1)
	if key != nil && key.Store != "" {
		c.add(quota.CustomKeyStore, region, key.Store, 1)
	}
}

// Throttled is the answer to a request over its quota.
func Throttled() *wire.Error {
	return wire.Errorf(wire.CodeThrottlingException, "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
}

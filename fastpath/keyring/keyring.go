package keyring

import (
	"context"
	"fmt"
	"hash/maphash"
	"math"
	"time"

	"trent/hsm"
	"trent/store"
)

// Defaults of Options.
const (
	DefaultCacheBytes    = 256 << 20
	DefaultAliasesPerKey = 50 // AWS KMS Developer Guide, "Resource quotas"
	DefaultGrantsPerKey  = 50000
)

// Options of a Keyring. The zero value is usable.
type Options struct {
	CacheBytes    int64            // bound of the cache; 0: DefaultCacheBytes
	AliasesPerKey int              // 0: DefaultAliasesPerKey; negative: any number
	Keys          int              // customer managed ones of an account and Region; not positive: any number
	GrantsPerKey  int              // 0: DefaultGrantsPerKey; negative: any number
	KeyStores     int              // custom key stores of an account and Region; 0: DefaultKeyStores; negative: any number
	Clock         func() time.Time // decides what is due and dates aliases; nil: time.Now
}

// Keyring finds and keeps keys. Safe for concurrent use.
type Keyring struct {
	store         store.Store
	module        hsm.Module
	clock         func() time.Time
	aliasesPerKey int
	grantsPerKey  int
	keyStores     int
	counts        keyCounts

	seed      hashSeed
	nameSeed  maphash.Seed
	keys      *table[Snapshot]
	aliases   *table[aliasEntry]
	materials *table[materialEntry]
	olds      *table[olderEntry]
	stores    *table[KeyStore]
	grants    grantCache

	policies policies
	writers  writerLocks
	holds    Holds
	stop     context.CancelFunc // of the watch
	stopped  chan struct{}
}

// Open starts a keyring over s, which stays the caller's to close (after the keyring). m is told to forget keys that
// may no longer be used. Errors: store.ErrUnavailable.
func Open(s store.Store, m hsm.Module, o Options) (*Keyring, error) {
	if o.CacheBytes <= 0 {
		o.CacheBytes = DefaultCacheBytes
	}
	switch {
	case o.AliasesPerKey == 0:
		o.AliasesPerKey = DefaultAliasesPerKey
	case o.AliasesPerKey < 0:
		o.AliasesPerKey = math.MaxInt32 // what a key's counts can hold
	}
	if o.Keys <= 0 {
		o.Keys = -1
	}
	switch {
	case o.GrantsPerKey == 0:
		o.GrantsPerKey = DefaultGrantsPerKey
	case o.GrantsPerKey < 0:
		o.GrantsPerKey = math.MaxInt32
	}
	switch {
	case o.KeyStores == 0:
		o.KeyStores = DefaultKeyStores
	case o.KeyStores < 0:
		o.KeyStores = math.MaxInt32
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	k := &Keyring{
		store:         s,
		module:        m,
		clock:         o.Clock,
		aliasesPerKey: o.AliasesPerKey,
		grantsPerKey:  o.GrantsPerKey,
		keyStores:     o.KeyStores,
		counts:        keyCounts{limit: o.Keys},
		seed:          newHashSeed(),
		nameSeed:      maphash.MakeSeed(),
		stopped:       make(chan struct{}),
	}
	// A key used by Encrypt and Decrypt has one entry of about 700 bytes and one of 190 (TestMemoryPerKey).
	k.keys = newTable[Snapshot](o.CacheBytes/32*19, k.seed)
	k.materials = newTable[materialEntry](o.CacheBytes/32*5, k.seed)
	k.grants.init(o.CacheBytes/32*5, k.seed) // 40 MiB by default: 50,000 grants of one grantee take up to 25
	k.aliases = newTable[aliasEntry](o.CacheBytes/32*2, k.seed)
	k.olds = newTable[olderEntry](o.CacheBytes/32, k.seed) // one of about 500 bytes for a material
	k.stores = newTable[KeyStore](storeCacheBytes, k.seed)
	k.policies.init()
	k.writers.init()

	ctx, stop := context.WithCancel(context.Background())
	head, err := s.Head(ctx)
	if err != nil {
		stop()
		return nil, fmt.Errorf("opening the keyring: %w", err)
	}
	k.stop = stop
	k.openCaches(head)
	go k.watch(ctx, head)
	return k, nil
}

// Close stops the watch and returns when it has ended. The keyring must not be used afterwards.
func (k *Keyring) Close() error {
	k.stop()
	<-k.stopped
	return nil
}

// Stats are the caches' figures.
type Stats struct {
	Entries int    // in all caches, absences included
	Bytes   int64  // estimated, of the entries and what they point to
	Evicted uint64 // to make room, since Open
}

// Stats takes each shard's lock for a moment.
func (k *Keyring) Stats() Stats {
	var st Stats
	k.keys.add(&st)
	k.aliases.add(&st)
	k.materials.add(&st)
	k.olds.add(&st)
	k.stores.add(&st)
	k.grants.table.add(&st)
	k.grants.heads.add(&st)
	return st
}

// openCaches lets in what is read from now on, which includes all commits up to head.
func (k *Keyring) openCaches(head store.Revision) {
	k.keys.open()
	k.aliases.open()
	k.materials.open()
	k.olds.open()
	k.stores.open()
	k.grants.open(head)
}

func (k *Keyring) closeCaches() {
	k.keys.close()
	k.aliases.close()
	k.materials.close()
	k.olds.close()
	k.stores.close()
	k.grants.close()
}

// anyRevision invalidates whatever the entry's revision.
const anyRevision = store.Revision(math.MaxInt64)

// invalidate drops what the caches hold of a store key that was written at revision.
func (k *Keyring) invalidate(storeKey []byte, revision store.Revision) {
	var c cacheKey
	switch d := dissect(storeKey); d.kind {
	case kindKey, kindToken, kindPolicy, kindTags, kindReverse:
		if _, ok := setKey(&c, d.id.Key); ok && setPlace(&c, d.id.Partition, d.id.Account, d.id.Region) {
			k.keys.invalidate(&c, revision)
		}
		if d.kind == kindToken {
			setOlder(&c, &d.material)
			k.olds.invalidate(&c, revision)
		}
	case kindStore:
		if setStore(&c, d.id.Key) && setPlace(&c, d.id.Partition, d.id.Account, d.id.Region) {
			k.stores.invalidate(&c, revision)
		}
	case kindAlias:
		if setPlace(&c, d.scope.Partition, d.scope.Account, d.scope.Region) {
			setAlias(&c, k.nameSeed, []byte(d.alias))
			k.aliases.invalidate(&c, revision)
		}
	case kindMaterial:
		if setMaterial(&c, d.part, &d.material) {
			k.materials.invalidate(&c, revision)
		}
	}
}

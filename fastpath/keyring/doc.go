// Package keyring owns what is kept of keys (key, token, alias, grant, tag and policy records in the store) and
// the bounded read cache over it. It turns a name (key id, key ARN, alias name, alias ARN) or the material
// named in a ciphertext into an immutable Snapshot, and it is the only writer of these records.
//
// It is not authorization and not the API: it knows no errors of the service, and it lets any caller change
// any key. It never sees key material: tokens pass through it as opaque bytes.
//
// # Reading
//
// ByID, Resolve and ByMaterial take no lock and allocate nothing when the cache has the answer. A name that
// leads to no key gives a Snapshot with Missing set, not an error, because callers must be authorized before
// they may learn it. Absence is cached too, within a bound of its own, so that a flood of unknown names
// cannot evict keys. Record, Policy, Tags and the lists read the store.
//
// # Coherence
//
// A reader that starts after a write was answered sees that write or a later one: the writer drops the
// entry after its commit and before it returns. A load that began before an entry was dropped is not cached:
// each fill takes the epoch of the key's shard before it reads the store, and enters only if the epoch is
// the same under the shard's lock; each invalidation moves the epoch under that lock. Commits of other
// processes arrive through the store's watch. When the watch breaks, falls silent or reports that its
// revision is compacted, the caches are dropped and nothing enters them until it runs again from the head.
//
// # What authorization asks
//
// A snapshot has the compiled key policy, which keys of the same text share. Tags and alias names are read when a condition
// first asks for them, and are kept with the snapshot; every write of policy, tags and aliases ends it like one of the key.
//
// PermitByGrant looks for a grant in the sets of the caller's names on the key. A set is read as a whole when it is first
// asked for, one reader at a time, from the index of grantees; from then on commits change it in place, those of this process
// before they are answered, those of others with the watch. In a set a grant is found by what it requires of the encryption
// context, so that the number of grants does not matter. That a key has no grants is known once for all callers.
//
// # Rotation
//
// A rotation is one transaction: token, list of materials, current material, dates and count. Material that the module
// made for one that was not committed is lost, and was never used. Rotations fall due by the due index and bear the date
// at which they were due; while a key is not enabled none falls due, and the first one after that is due when it is
// enabled. Older materials are cached by themselves, so that old ciphertexts cost no read of the store.
//
// # Concurrency
//
// A Keyring is safe for concurrent use. It owns one goroutine, the watch, which Close stops; KeepUsages starts a
// few that end with it. Writers of one key in this process wait for each other; across processes a lost race is a
// conflict and is tried again.
//
// # Store keys
//
// Components are text without NUL, separated by one NUL byte (alias names contain '/'); S stands for
// partition NUL account NUL Region. Lists come in byte order of these keys.
//
//	key   NUL S NUL key-id                       key record
//	cnt   NUL S NUL key-id                       children counts; exists exactly while the key lives
//	tok   NUL S NUL key-id NUL material (32)     token record, one per material of this copy
//	mat   NUL partition NUL material (32)        whose material this is; stays when the key is deleted
//	ali   NUL S NUL alias-name                   alias record
//	rev   NUL S NUL key-id NUL alias-name        alias record again, by key
//	tag   NUL S NUL key-id                       tags; absent: none
//	pol   NUL S NUL key-id                       policy; absent: the account's default policy
//	grt   NUL S NUL key-id NUL grant (32)        grant record
//	gee   NUL S NUL key-id NUL grantee NUL grant (32)
//	                                             the key's grants by grantee, whose authorization asks for few of many
//	ret   NUL partition NUL Region NUL principal NUL account NUL key-id NUL grant (32)
//	                                             the Region's grants by who may retire them
//	gnm   NUL S NUL key-id NUL digest (32)       the grant with this name and these parameters: SHA-256 of its record,
//	                                             without the date, with sorted operations and contexts
//	usg   NUL S NUL key-id                       last usage; absent: never used
//	trk                                          since when usage is kept, for all keys of the store
//	due   NUL time (8, ms) NUL [task (1) NUL] S NUL key-id
//	                                             empty: what falls due, by time; deletions have no task
//	mts   NUL S NUL key-id                       list of the key's materials; absent: only the current one
//	mrk   NUL partition NUL account NUL key-id   copies of a multi-Region key; absent: only the primary
//	imp   NUL S NUL key-id NUL wrapping key (32) private key that material to import is wrapped for
//	cks   NUL S NUL store-id                     custom key store; in the due index while it connects or disconnects
//	ckr   NUL S NUL                              how many custom key stores there are; rewritten by all their writers
//	ckn   NUL S NUL store-id                     how many keys it has, in all states
//	ckx   NUL S NUL store-id NUL external-key    whose an external key is
//	int   NUL name                               a key of the installation's own
//
// # Values
//
// Integers are big-endian; times are milliseconds since the epoch, 0 for none. Every value begins with a
// version byte, 1. A reader refuses a version or a field tag that it does not know, with ErrRecord: it would
// lose what a newer version wrote. str16 and bytes32 are a length of 16 or 32 bits and that many bytes.
//
// Key record:
//
//	offset  size  what
//	0       1     version
//	1       1     0 live, 1 being deleted: to all readers the key is gone, its remains are being removed
//	2       1     State
//	3       1     hsm.KeySpec
//	4       1     hsm.Usage
//	5       1     Origin
//	6       1     Manager
//	7       1     flags: 1 multi-Region; the others must be 0
//	8       8     creation time
//	16      8     scheduled deletion, 0 none
//	24      2     waiting period in days
//	26      32    current material, zero: none
//	58      …     fields, in order of their tags: tag (1), bytes32. Tags are for what only some keys have,
//	              so that what later versions add does not touch the layout:
//	              1 description
//	              2 automatic rotation: enabled (1), period in days (2), since (8), next (8)
//	              3 on-demand rotations so far (2)
//	              4 first expiry of imported material (8)
//	              5 str16 custom key store, str16 cluster or external key
//	              6 a Region other than the primary's: the key is a replica, and this Region was the primary's
//	                when the record was written
//	              7 state after a transitional one (1), when that begins (8, 0: not by itself)
//	              8 imported material is not all here (1), first expiry of material waiting for a rotation (8)
//
// Token record: version, flags (1, must be 0), bytes32 token, bytes32 public key (may be empty).
// Material record: version, str16 account, str16 key id. The copy in a Region is found by the key id.
// Alias record: version, str16 target key id, creation time (8), last update (8).
// Children counts: version, aliases (4), grants (4) unless there are none.
// Grant record: version, flags (1: 1 EncryptionContextEquals, 2 EncryptionContextSubset), created (8), number of operations
// (1), GrantOperation (1) each, str16 issuing account, name, grantee, grantee service, retiring principal, retiring
// service, source ARN, then for each flag: count (2), str16 key and str16 value each. The indexes of grants hold
// version and grant (32).
// Last usage: version, time (8), str16 operation, request id, event id. Tracking: version, time (8).
// Tags: version, count (2), then str16 key and str16 value each, sorted by key.
// Materials: version, count (2), then each, oldest first: identifier (32), MaterialState (1), ImportState (1),
// Expiration (1), RotationType (1), created (8), rotated (8), valid to (8), str16 description.
// Wrapping key: version, when it ends (8), bytes32 token.
// Policy: version, then the document as it was given.
// Copies: version, str16 Region of the primary, count (2), then str16 Region of each replica, sorted.
// Custom key store: version, StoreType (1), ConnectionState (1), Connectivity (1), created (8), began (8), next (8),
// attempt (4), str16 name, then fields as a key record's: 1 failure, 2 cluster, 3 trust anchor, 4 endpoint, 5 path,
// 6 VPC endpoint service, 7 its owner, 8 access key id, 9 secret as the module encrypted it.
// Internal key: version, material (32), bytes32 token.
// Counts of custom key stores are children counts, and owners of external keys are material records.
//
// # Copies of multi-Region keys
//
// Each copy is a key of its own Region. That a copy is the primary stands in its record, and which copies there are in
// one record for all of them; what changes a role or the number of copies changes both in one transaction, which
// requires the latter. Every change of a primary requires it too, so that none is made under a copy's feet.
//
// A change of what the copies share (materials, rotation) is written with the primary and with an entry in the due
// index. The copies follow in a transaction each, before the change is answered; each requires the primary as it was
// read, so that an older state never replaces a newer one. The entry goes when no copy lags behind; cut short, the
// work is found again there. A replica that lags behind is brought up before it becomes the primary.
//
// # Limits held by conditions
//
// Every write that adds or removes an alias or a grant of a key requires and rewrites the key's children counts, so
// the quotas hold exactly under any concurrency. Deletion removes the counts together with marking the key
// record, in one transaction: from then on no alias and no grant can be added. The rest goes in bounded transactions, the
// key record and the due entry last, so that a deletion that was cut short is found again in the due index.
package keyring

package keyring

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// cacheKey names an entry of any cache, without pointers: comparing it is comparing 48 bytes. What cannot be
// put into one cannot exist in the store either, because Create refuses it.
type cacheKey struct {
	id        [16]byte // key id; hash of an alias name; first half of a material id
	account   [accountLength]byte
	region    [18]byte // padded with NUL
	partition uint8
	kind      uint8 // multiRegionID or 0
}

// multiRegionID is the kind of the ids of multi-Region keys.
const multiRegionID = 1

// partitions are the partitions of AWS (botocore's partitions.json); an index is cacheKey.partition - 1.
var partitions = [...]string{"aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"}

// setPlace fills partition, account and Region; false: no key can be there.
func setPlace[T ~string | ~[]byte](c *cacheKey, partition string, account T, region string) bool {
	if len(account) != accountLength || len(region) > len(c.region) || region == "" {
		return false
	}
	copy(c.account[:], account[:accountLength])
	copy(c.region[:], region)
	return setPartition(c, partition)
}

func setPartition(c *cacheKey, partition string) bool {
	for i := range partitions {
		if partitions[i] == partition {
			c.partition = uint8(i + 1)
			return true
		}
	}
	return false
}

// setKey fills the key id.
func setKey[T ~string | ~[]byte](c *cacheKey, key T) (lower, ok bool) {
	multiRegion, lower, ok := parseKeyID(key, &c.id)
	if multiRegion {
		c.kind = multiRegionID
	}
	return lower, ok
}

// ID is the key that c names.
func (c *cacheKey) ID() ID {
	return ID{
		Partition: partitions[c.partition-1],
		Account:   string(c.account[:]),
		Region:    c.regionName(),
		Key:       formatKeyID(&c.id, c.kind == multiRegionID),
	}
}

func (c *cacheKey) regionName() string {
	name, _, _ := bytes.Cut(c.region[:], []byte{0})
	return string(name)
}

// hashSeed makes the hash differ in each process: callers choose the ids that they ask for, and must not be able to
// choose their bucket.
type hashSeed [4]uint64

func newHashSeed() hashSeed {
	return hashSeed{rand.Uint64(), rand.Uint64(), rand.Uint64(), rand.Uint64()}
}

// of folds the five words of c by two multiplications of 64 bits into 128.
func (s *hashSeed) of(c *cacheKey) uint64 {
	le := binary.LittleEndian
	hi, lo := bits.Mul64(le.Uint64(c.id[:8])^s[0], le.Uint64(c.id[8:])^s[1])
	place := le.Uint64(c.region[:8]) + bits.RotateLeft64(le.Uint64(c.region[8:16]), 29)
	hi, lo = bits.Mul64(hi^lo^le.Uint64(c.account[:8])^s[2], place^bits.RotateLeft64(le.Uint64(c.account[4:]), 17)^s[3])
	return hi ^ lo
}

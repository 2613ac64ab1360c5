package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's manifest is a row of records in LevelDB's log format: blocks of walBlock bytes with chunks of a header of
// manifestHeader bytes (u32 checksum, u16 length, u8 type: 1 full, 2 first, 3 middle, 4 last) and a payload.
const (
	manifestHeader = 7
	manifestFull   = 1
	manifestFirst  = 2
	manifestLast   = 4
)

// sectorBytes is the smallest piece that a disk writes whole.
const sectorBytes = 512

// checkManifest looks for damage in the manifest in use. Pebble reads it up to the first record that is not valid
// and takes the rest for torn; tables named only in the rest would then be deleted.
func checkManifest(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing the directory: %w", err)
	}
	name, newest := "", uint64(0)
	for _, n := range names {
		rest, ok := strings.CutPrefix(n, "marker.manifest.")
		iteration, value, cut := strings.Cut(rest, ".")
		if i, err := strconv.ParseUint(iteration, 10, 64); ok && cut && err == nil && i >= newest {
			name, newest = value, i
		}
	}
	if name == "" {
		return fmt.Errorf("%w (no manifest)", ErrDamaged)
	}
	f, err := fs.Open(fs.PathJoin(dir, name))
	if err != nil {
		return asDamage(fmt.Errorf("reading the manifest: %w", err))
	}
	b, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("reading the manifest: %w", err)
	}
	if at, damaged := findManifestDamage(b); damaged {
		return fmt.Errorf("%w (%s at byte %d)", ErrDamaged, name, at)
	}
	return nil
}

// findManifestDamage returns the offset of the first chunk that is not valid, and whether it is damage: each record
// is synced before the next one is begun, so a later record proves it; and of a last record that was torn, a
// part is missing or still zero. (A length that is wrong looks like a missing part; the checksum leaves it out.)
func findManifestDamage(b []byte) (at int, damaged bool) {
	for {
		if walBlock-at%walBlock < manifestHeader {
			at += walBlock - at%walBlock
		}
		if at >= len(b) {
			return 0, false
		}
		n, ok := parseManifestChunk(b, at)
		if !ok {
			whole := n > 0 && !hasZeroSector(b, at, at+n)
			if whole || wrongLength(b[at:]) {
				return at, true
			}
			break
		}
		at += n
	}
	for i := at + 1; i+manifestHeader <= len(b); i++ {
		if t := b[i+6]; t != manifestFull && t != manifestFirst {
			continue
		}
		if _, ok := parseManifestChunk(b, i); ok {
			return at, true
		}
	}
	return 0, false
}

// parseManifestChunk returns the size that the chunk at offset `at` claims (0: more than there is, or none) and
// whether it is valid.
func parseManifestChunk(b []byte, at int) (n int, ok bool) {
	h := b[at:min(len(b), at-at%walBlock+walBlock)]
	if len(h) < manifestHeader {
		return 0, false
	}
	n = manifestHeader + int(binary.LittleEndian.Uint16(h[4:]))
	if n == manifestHeader || n > len(h) {
		return 0, false
	}
	return n, h[6] >= manifestFull && h[6] <= manifestLast && binary.LittleEndian.Uint32(h) == maskedCRC(h[6:n])
}

// wrongLength tells whether the rest of the file is a chunk of which only the length is wrong.
func wrongLength(b []byte) bool {
	return len(b) > manifestHeader && binary.LittleEndian.Uint32(b) == maskedCRC(b[6:])
}

// hasZeroSector tells whether a sector's share of b[from:to] is all zero.
func hasZeroSector(b []byte, from, to int) bool {
	for from < to {
		end := min(to, from-from%sectorBytes+sectorBytes)
		if allZero(b[from:end]) {
			return true
		}
		from = end
	}
	return false
}

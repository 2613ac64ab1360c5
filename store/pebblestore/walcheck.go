package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's write-ahead log is a row of blocks of walBlock bytes filled with chunks, none crossing a block:
//
//	 0  u32  checksum: masked CRC-32C of everything from the type on
//	 4  u16  length of the payload
//	 6  u8   type: walFull (9) to walLast (12); or 5 to 8, see below
//	 7  u32  number of the log file
//	11  u64  offset up to which the file was synced when the chunk was written
//	19       payload
//
// all little-endian. Types 5 to 8 are the same without the offset: Pebble begins the first log of a new database so. A block's last bytes are zero where no header fits. A log that was closed ends in a trailer of
// walTrailer bytes: checksum and length 0, type walTrailerType, and the number of the log plus one.
const (
	walBlock       = 32 << 10
	walHeader      = 19
	walShortHeader = 11
	walShortFull   = 5
	walFull        = 9
	walLast        = 12
	walTrailer     = 11
	walTrailerType = walShortFull
)

// checkLogs looks for damage that Pebble's own recovery takes for the torn tail of a crash: it looks for chunks
// that prove otherwise in later blocks only, while a small store has all its answered commits in one.
func checkLogs(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing the directory: %w", err)
	}
	for _, name := range names {
		digits, ok := strings.CutSuffix(name, ".log")
		number, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil {
			continue
		}
		f, err := fs.Open(fs.PathJoin(dir, name))
		if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		if at, damaged := findLogDamage(b, uint32(number)); damaged {
			return fmt.Errorf("%w (log %s at byte %d)", ErrDamaged, name, at)
		}
	}
	return nil
}

// findLogDamage returns the offset of the first chunk that is not valid although the rest of the log shows that it
// was durable: by a chunk that says the log had been synced beyond it, or by the trailer of a closed log.
func findLogDamage(b []byte, number uint32) (at int, damaged bool) {
	for {
		if walBlock-at%walBlock < walHeader && allZero(b[at:min(len(b), at-at%walBlock+walBlock)]) {
			at += walBlock - at%walBlock
		}
		if at >= len(b) || isTrailer(b[at:], number) {
			return 0, false
		}
		n, _, ok := parseChunk(b, at, number)
		if !ok {
			break
		}
		at += n
	}
	for i := at; i < len(b); i++ {
		if isTrailer(b[i:], number) {
			return at, true
		}
		if _, synced, ok := parseChunk(b, i, number); ok && synced > uint64(at) {
			return at, true
		}
	}
	return 0, false
}

// parseChunk returns the size of the valid chunk at offset `at`, and what it says was synced.
func parseChunk(b []byte, at int, number uint32) (n int, synced uint64, ok bool) {
	h := b[at:min(len(b), at-at%walBlock+walBlock)]
	if len(h) < walShortHeader || h[6] < walShortFull || h[6] > walLast || binary.LittleEndian.Uint32(h[7:]) != number {
		return 0, 0, false
	}
	header := walShortHeader
	if h[6] >= walFull {
		header = walHeader
	}
	n = header + int(binary.LittleEndian.Uint16(h[4:]))
	if n > len(h) || binary.LittleEndian.Uint32(h) != maskedCRC(h[6:n]) {
		return 0, 0, false
	}
	if header == walHeader {
		synced = binary.LittleEndian.Uint64(h[walShortHeader:])
	}
	return n, synced, true
}

func isTrailer(b []byte, number uint32) bool {
	return len(b) >= walTrailer && b[6] == walTrailerType && binary.LittleEndian.Uint32(b[7:]) == number+1 && allZero(b[:6])
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maskedCRC is the checksum of LevelDB's log format: masked, so that data holding checksums does not look valid.
func maskedCRC(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

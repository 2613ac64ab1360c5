package pebblestore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"trent/store"
)

type errPath = iofs.PathError

// Version is the layout that this package writes; see doc.go.
const Version = 1

const (
	formatName    = "FORMAT"
	formatTemp    = "FORMAT.tmp"
	lockName      = "LOCK"
	formatMaxSize = 4096
	creating      = "creating"
	ready         = "ready"
)

// condition is what inspect finds.
type condition int

const (
	absent     condition = iota // no directory
	empty                       // a directory without a store
	incomplete                  // a store whose making was interrupted
	complete
)

// inspect reads what dir says it is, without changing anything. Errors: ErrDamaged, ErrNewerVersion.
func inspect(fs vfs.FS, dir string) (condition, error) {
	names, err := fs.List(dir)
	if isNotExist(err) {
		return absent, nil
	}
	if err != nil {
		return 0, fmt.Errorf("listing the directory: %w", err)
	}
	if !slices.Contains(names, formatName) {
		for _, name := range names {
			if name != lockName && name != formatTemp {
				return 0, fmt.Errorf("%w (it has files but no %s file)", ErrDamaged, formatName)
			}
		}
		return empty, nil
	}
	text, err := readFile(fs, fs.PathJoin(dir, formatName))
	if err != nil {
		return 0, fmt.Errorf("reading the %s file: %w", formatName, err)
	}
	version, state, err := parseFormat(text)
	if err != nil {
		return 0, err
	}
	if version > Version {
		return 0, fmt.Errorf("%w (store version %d, this program knows %d)", ErrNewerVersion, version, Version)
	}
	if err := inspectPebble(names); err != nil {
		return 0, err
	}
	if state == creating {
		return incomplete, nil
	}
	return complete, nil
}

// inspectPebble refuses a directory that a newer Pebble has written. Its marker files are named
// marker.format-version.<iteration>.<version>; the highest iteration counts.
func inspectPebble(names []string) error {
	var newest, version uint64
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "marker.format-version.")
		if !ok {
			continue
		}
		iteration, value, ok := strings.Cut(rest, ".")
		i, err1 := strconv.ParseUint(iteration, 10, 64)
		v, err2 := strconv.ParseUint(value, 10, 64)
		if !ok || err1 != nil || err2 != nil {
			return fmt.Errorf("%w (malformed file name %q)", ErrDamaged, name)
		}
		if i >= newest {
			newest, version = i, v
		}
	}
	if version > uint64(pebble.FormatNewest) {
		return fmt.Errorf("%w (database format %d, this program knows %d)", ErrNewerVersion, version, pebble.FormatNewest)
	}
	return nil
}

// parseFormat reads a FORMAT file. Lines after the version are checked only where the version is known: a newer
// one may say more.
func parseFormat(text []byte) (version int, state string, err error) {
	lines := strings.Split(string(text), "\n")
	damaged := fmt.Errorf("%w (malformed %s file)", ErrDamaged, formatName)
	if len(lines) < 2 || lines[0] != "trent store" {
		return 0, "", damaged
	}
	digits, ok := strings.CutPrefix(lines[1], "version ")
	version, convErr := strconv.Atoi(digits)
	if !ok || convErr != nil || version < 1 {
		return 0, "", damaged
	}
	if version > Version {
		return version, "", nil
	}
	if !bytes.Equal(text, formatText(version, creating)) && !bytes.Equal(text, formatText(version, ready)) {
		return 0, "", damaged
	}
	return version, strings.TrimPrefix(lines[2], "state "), nil
}

func formatText(version int, state string) []byte {
	return fmt.Appendf(nil, "trent store\nversion %d\nstate %s\n", version, state)
}

// writeFormat replaces the FORMAT file durably.
func writeFormat(fs vfs.FS, dir, state string) error {
	temp := fs.PathJoin(dir, formatTemp)
	f, err := fs.Create(temp, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("writing the %s file: %w", formatName, err)
	}
	_, err = f.Write(formatText(Version, state))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the %s file: %w", formatName, err)
	}
	if err := fs.Rename(temp, fs.PathJoin(dir, formatName)); err != nil {
		return fmt.Errorf("writing the %s file: %w", formatName, err)
	}
	return syncDir(fs, dir)
}

// makeDir makes dir for its owner only, durably with the parents that were missing.
func makeDir(fs vfs.FS, dir string) error {
	var made []string
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); !isNotExist(err) || fs.PathDir(d) == d {
			made = append(made, d) // the one that gets the topmost new entry
			break
		}
		made = append(made, d)
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the directory: %w", err)
	}
	for _, d := range made {
		if err := syncDir(fs, d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing the directory: %w", err)
	}
	return nil
}

// removeRemains deletes the files of a store whose making was interrupted, and no others.
func removeRemains(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("listing the directory: %w", err)
	}
	for _, name := range names {
		if !isPebbleFile(name) {
			continue
		}
		if err := fs.Remove(fs.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("removing the remains of an interrupted creation: %w", err)
		}
	}
	return syncDir(fs, dir)
}

func isPebbleFile(name string) bool {
	for _, prefix := range []string{"MANIFEST-", "OPTIONS-", "marker."} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	for _, suffix := range []string{".log", ".sst", ".blob", ".dbtmp"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// readState reads the state record and checks that the change log ends where it says.
func readState(db *pebble.DB) (st state, err error) {
	b, closer, err := db.Get([]byte{spaceState})
	if err != nil {
		return state{}, fmt.Errorf("reading the state record: %w", err)
	}
	st, err = parseState(b)
	if err = errors.Join(err, closer.Close()); err != nil {
		return state{}, err
	}
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceLog}, UpperBound: []byte{spaceLog + 1}})
	if err != nil {
		return state{}, fmt.Errorf("reading the change log: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	check := func(ok bool, want store.Revision, edge string) error {
		if err := it.Error(); err != nil {
			return fmt.Errorf("reading the change log: %w", err)
		}
		if ok != (st.head > st.floor) || ok && !bytes.Equal(it.Key(), logKey(want)) {
			return fmt.Errorf("the change log's %s entry is not that of revision %d", edge, want)
		}
		return nil
	}
	if err := check(it.First(), st.floor+1, "first"); err != nil {
		return state{}, err
	}
	if err := check(it.Last(), st.head, "last"); err != nil {
		return state{}, err
	}
	return st, nil
}

// asDamage wraps an error of reading the database: damage, unless the system refused.
func asDamage(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT {
		return err
	}
	return fmt.Errorf("%w (%w)", ErrDamaged, err)
}

func isNotExist(err error) bool { return errors.Is(err, iofs.ErrNotExist) }

func readFile(fs vfs.FS, name string) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, formatMaxSize))
	return b, errors.Join(err, f.Close())
}

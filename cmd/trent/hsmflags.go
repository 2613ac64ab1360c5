package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/appliance"
	"trent/hsm/appliance/confine"
)

// applianceSettings are what the verbs that open an appliance's state can be told.
type applianceSettings struct {
	State  string
	Name   string
	User   string
	Listen string
	Init   bool
	Quiet  bool
	JSON   bool
	// Lifeline: standard input is a pipe of the host that started this process; its end is the end of this one.
	Lifeline bool
	Drain    time.Duration

	settings // seal and module flags alone
}

// defaultStateDir is where an appliance's state lies when nothing is said.
func defaultStateDir(getenv func(string) string) string {
	return filepath.Join(defaultDataDir(getenv), "appliance")
}

func defaultAppliance(getenv func(string) string) applianceSettings {
	a := applianceSettings{State: defaultStateDir(getenv), Drain: appliance.DefaultDrain, settings: defaultSettings(getenv)}
	return a
}

// bindState declares the flag that names an appliance.
func (a *applianceSettings) bindState(fs *pflag.FlagSet) {
	fs.StringVar(&a.State, "state", a.State, "state directory of the appliance: its sealed identity, its log and its console")
}

// bindSeal declares what opens the sealed identity.
func (a *applianceSettings) bindSeal(fs *pflag.FlagSet) {
	fs.StringVar(&a.SealKey, "seal-key", a.SealKey, "key file that opens the sealed identity (default: made outside the state directory)")
	fs.BoolVar(&a.SealPassphrase, "seal-passphrase", a.SealPassphrase, "open the sealed identity by a passphrase asked for on the terminal")
	fs.IntVar(&a.SealPassphraseFD, "seal-passphrase-fd", a.SealPassphraseFD, "open the sealed identity by a passphrase read from this file descriptor")
	fs.StringVar(&a.SealCredential, "seal-credential", a.SealCredential, "open the sealed identity by this file in $CREDENTIALS_DIRECTORY")
	fs.StringVar(&a.User, "user", a.User, "become this user first, by name or number, where root starts it")
	fs.BoolVar(&a.RequireLocked, "require-locked", a.RequireLocked, "refuse to start where memory for keys, or the Go heap, cannot be locked")
	fs.StringVar(&a.Kernel, "kernel", a.Kernel, "AES-GCM kernel (default: the best that this CPU has)")
	fs.BoolVar(&a.FIPS, "fips", a.FIPS, "use Go's FIPS 140-3 module and its approved cryptography only; refused where the process does not run in its mode")
}

// bindServe declares the rest of what serve takes.
func (a *applianceSettings) bindServe(fs *pflag.FlagSet) {
	fs.StringVar(&a.Listen, "listen", a.Listen, "where hosts are served: unix:PATH or HOST:PORT (default: unix:STATE/hosts.sock)")
	fs.BoolVar(&a.Init, "init", a.Init, "make the identity where there is none yet, as 'trent hsm init' does")
	fs.StringVar(&a.Name, "name", a.Name, "name of an identity that --init makes: lower-case letters, digits and hyphens (default: made up)")
	fs.DurationVar(&a.Drain, "drain-timeout", a.Drain, "how long calls in progress may take after SIGTERM")
	fs.IntVar(&a.ArenaBytes, "arena-bytes", a.ArenaBytes, "locked memory for keys in bytes (0: as the limit allows)")
	fs.IntVar(&a.Workers, "workers", a.Workers, "HSM workers (0: eight a core, at least 64)")
	fs.IntVar(&a.Slots, "slots", a.Slots, "ready key states a worker keeps (0: default, -1: none)")
	fs.DurationVar(&a.SlotIdle, "slot-idle", a.SlotIdle, "wipe ready key states that were idle this long (negative: never)")
	fs.IntVar(&a.AsymmetricEngines, "asymmetric-engines", a.AsymmetricEngines, "RSA operations and key generations at a time (0: one a core)")
	fs.BoolVar(&a.Quiet, "quiet", a.Quiet, "print no summary at the start")
	fs.BoolVar(&a.JSON, "json", a.JSON, "print the summary at the start as JSON")
	fs.BoolVar(&a.Lifeline, "lifeline", a.Lifeline, "stop when standard input ends")
	if err := fs.MarkHidden("lifeline"); err != nil {
		panic("trent: " + err.Error()) // no such flag
	}
}

// prepare makes the state directory for its user, and says which name and which key file the identity has, before the
// process is confined.
func (a *applianceSettings) prepare() (keyFile string, exists bool, err error) {
	if err := a.checkFIPS(); err != nil {
		return "", false, err
	}
	if a.State, err = filepath.Abs(a.State); err != nil {
		return "", false, failure(err, "")
	}
	if err := makeDir(a.State, "state directory", "--state"); err != nil {
		return "", false, err
	}
	if a.User != "" && os.Geteuid() == 0 {
		u, err := confine.Lookup(a.User)
		if err != nil {
			return "", false, usageError(err, "--user takes the name or number of a user of this system")
		}
		if err := os.Chown(a.State, u.UID, u.GID); err != nil {
			return "", false, failure(fmt.Errorf("giving the state directory to %s: %w", a.User, err), "")
		}
	}
	name, err := hsm.MemberName(a.State)
	switch {
	case err == nil:
		a.Name, exists = name, true
	case !errors.Is(err, os.ErrNotExist):
		return "", false, failure(err, "restore it from a backup, or remove it, make another identity and have operators join that")
	case a.Name == "":
		if a.Name, err = hsm.NewMemberName(); err != nil {
			return "", false, failure(err, "")
		}
	}
	keyFile = a.SealKey
	if keyFile == "" && !a.SealPassphrase && a.SealPassphraseFD < 0 && a.SealCredential == "" {
		if keyFile, err = hsm.DefaultKeyFile(a.Name); err != nil {
			return "", false, failure(err, "give --seal-key")
		}
	}
	if keyFile != "" {
		if keyFile, err = filepath.Abs(keyFile); err != nil {
			return "", false, failure(err, "")
		}
	}
	return keyFile, exists, nil
}

// paths are the files that the process needs once it is confined.
func (a *applianceSettings) paths(keyFile string, exists bool, sockets ...string) (confine.Paths, error) {
	p := confine.Paths{ReadWrite: []string{a.State}, Sockets: sockets, Terminal: a.SealPassphrase}
	switch {
	case a.SealCredential != "":
		p.Read = append(p.Read, filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), a.SealCredential))
	case keyFile != "" && exists:
		p.Read = append(p.Read, keyFile)
	case keyFile != "":
		// The key file is made in there.
		if err := os.MkdirAll(filepath.Dir(keyFile), 0o700); err != nil {
			return p, failure(fmt.Errorf("directory of the seal key: %w", err), "give --seal-key a place that can be written")
		}
		p.ReadWrite = append(p.ReadWrite, filepath.Dir(keyFile))
	}
	return p, nil
}

// openMember opens or makes the module; the process is confined by now.
func (a *applianceSettings) openMember(e *environment, keyFile string) (*hsm.Local, error) {
	s := a.settings
	s.SealKey = keyFile
	seal, err := s.seal(e)
	if err != nil {
		return nil, err
	}
	m, err := hsm.OpenMember(hsm.MemberConfig{
		Dir: a.State, Name: a.Name, Seal: seal, Arena: hsm.ArenaOptions{Bytes: a.ArenaBytes, RequireLocked: a.RequireLocked},
		Workers: a.Workers, Slots: a.Slots, SlotIdle: a.SlotIdle, AsymmetricEngines: a.AsymmetricEngines, Kernel: a.Kernel,
	})
	if err != nil {
		return nil, failure(err, "")
	}
	return m, nil
}

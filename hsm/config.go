package hsm

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"trent/hsm/internal/arena"
	"trent/hsm/internal/domain"
)

// Errors of Open, for errors.Is. Each comes wrapped in a sentence that says what to do; a failed Open has
// changed nothing on disk.
var (
	ErrSealedByOther  = domain.ErrSealedByOther
	ErrDamaged        = domain.ErrDamaged
	ErrNewerVersion   = domain.ErrNewerVersion
	ErrSealKeyExposed = domain.ErrSealKeyExposed
	ErrSealKeyMissing = domain.ErrSealKeyMissing
	ErrUnlocked       = errors.New("hsm: memory for keys cannot be locked")
)

// Seal says what protects the domain keys at rest.
type Seal = domain.Seal

// Argon2Params is the cost of a passphrase.
type Argon2Params = domain.Argon2Params

// FIPSRounds is what Seal.Rounds is to be in FIPS mode.
const FIPSRounds = domain.FIPSRounds

// DefaultKeyFile is where the seal key of the domain called name lies when Seal names no place.
func DefaultKeyFile(name string) (string, error) { return domain.DefaultKeyFile(name) }

// ArenaOptions are those of the memory for keys.
type ArenaOptions struct {
	Bytes         int  // at most this many; 0: what workers and slots need, within the limit on locked memory
	RequireLocked bool // refuse to start (ErrUnlocked) where keys or the Go heap could be swapped
}

// Config is Open's. The zero value of everything but Dir is a default.
type Config struct {
	Dir               string // where the sealed domain file lies ("domain.sealed")
	Name              string // of a domain about to be made; "": made up
	Seal              Seal
	Arena             ArenaOptions
	Workers           int           // 0: eight a core, 64 at least
	Slots             int           // ready keys a worker, rounded down to a power of two; 0: DefaultSlots; -1: off
	SlotIdle          time.Duration // how long an unused key may stay ready; 0: a second; negative: for ever
	AsymmetricEngines int           // RSA and ML-DSA operations and key generations at a time; 0: one a core
	Kernel            string        // of AES-256-GCM; "": the best one here
	Random            io.Reader     // tests only; nil: crypto/rand
}

// Defaults.
const (
	DefaultSlots    = 64
	DefaultSlotIdle = time.Second

	workersPerCore = 8
	minWorkers     = 64
)

// withDefaults fills in what is zero.
func (cfg Config) withDefaults() Config {
	cores := runtime.GOMAXPROCS(0)
	if cfg.Workers <= 0 {
		cfg.Workers = max(minWorkers, workersPerCore*cores)
	}
	switch {
	case cfg.Slots < 0:
		cfg.Slots = 0
	case cfg.Slots == 0:
		cfg.Slots = DefaultSlots
	default:
		cfg.Slots = powerOfTwo(cfg.Slots)
	}
	if cfg.SlotIdle == 0 {
		cfg.SlotIdle = DefaultSlotIdle
	}
	if cfg.AsymmetricEngines <= 0 {
		cfg.AsymmetricEngines = cores
	}
	return cfg
}

// powerOfTwo is the greatest one up to n.
func powerOfTwo(n int) int {
	p := 1
	for p <= n/2 {
		p *= 2
	}
	return p
}

// arenaBytes is what a configuration takes from the arena.
func arenaBytes(workers, slots int) int {
	return max(domain.ArenaBytes(), domain.MemberArenaBytes()) + workers*(arena.SizeOf[scratch](1)+arena.SizeOf[slotState](slots))
}

// fitSlots gives up slots for a budget: half of them at a time, until all fits or none is left; a budget that
// does not even hold the workers changes nothing.
func fitSlots(workers, slots, budget int) int {
	if arenaBytes(workers, 0) > budget {
		return slots
	}
	for slots > 0 && arenaBytes(workers, slots) > budget {
		slots /= 2
	}
	return slots
}

// newArena makes the arena and says how many slots a worker gets in it.
func newArena(cfg *Config) (*arena.Arena, int, error) {
	slots := cfg.Slots
	if limit, limited := arena.Limit(); limited {
		slots = fitSlots(cfg.Workers, slots, limit)
	}
	if cfg.Arena.Bytes > 0 {
		if need := arenaBytes(cfg.Workers, 0); need > cfg.Arena.Bytes {
			return nil, 0, fmt.Errorf("hsm: an arena of %d bytes is too small: %d workers need %d", cfg.Arena.Bytes, cfg.Workers, need)
		}
		slots = fitSlots(cfg.Workers, slots, cfg.Arena.Bytes)
	}
	a, err := arena.New(arena.Options{Bytes: arenaBytes(cfg.Workers, slots), RequireLocked: cfg.Arena.RequireLocked})
	if errors.Is(err, arena.ErrUnlocked) {
		return nil, 0, fmt.Errorf("%w: %w: raise the limit, or start without requiring locked memory", ErrUnlocked, err)
	}
	if err != nil {
		return nil, 0, err
	}
	if cfg.Arena.RequireLocked {
		if locked, why := lockHeap(); !locked {
			return nil, 0, errors.Join(fmt.Errorf("%w: the Go heap: %s", ErrUnlocked, why), a.Close())
		}
	}
	return a, slots, nil
}

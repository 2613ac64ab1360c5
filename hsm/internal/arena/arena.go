// Package arena is memory for keys: outside the Go heap, locked, left out of core dumps, with guard pages on
// both sides, carved once at start and wiped at the end.
//
// From best to worst, New takes the first that the machine grants:
//
//	memfd_secret  pages that the kernel itself has unmapped: not readable through /proc/PID/mem, ptrace or
//	              process_vm_readv, even by root (memfd_secret(2)); its descriptor is closed right after mmap
//	mlock         private pages locked into RAM (mlock(2)), MADV_DONTDUMP, MADV_WIPEONFORK
//	unlocked      the same without the lock: may be swapped; Why says what refused
//	heap          builds with the race detector only, which does not see accesses to mapped memory
//
// Both lockings count against RLIMIT_MEMLOCK, unless the process has CAP_IPC_LOCK: see Limit.
//
// What this package is not: an allocator. Nothing is given back before Close. No Go pointer may lie in an
// arena, since the garbage collector does not look there; Take refuses types that hold one.
//
// There are no goroutines. New, Take and Close are for one goroutine; what was taken is its owner's to guard.
package arena

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"
)

// Kind is where an arena's memory comes from.
type Kind uint8

// Kinds, best first.
const (
	MemfdSecret Kind = iota + 1
	Mlock
	Unlocked
	Heap
)

// String is the kind's name as the package comment has it.
func (k Kind) String() string {
	switch k {
	case MemfdSecret:
		return "memfd_secret"
	case Mlock:
		return "mlock"
	case Unlocked:
		return "unlocked"
	case Heap:
		return "heap"
	}
	return "none"
}

// ErrUnlocked is New's refusal where Options.RequireLocked is set and the pages cannot be locked.
var ErrUnlocked = errors.New("arena: memory for keys cannot be locked")

// Options are New's.
type Options struct {
	Bytes         int  // rounded up to whole pages; must be positive
	RequireLocked bool // refuse anything below mlock
}

// Arena is one mapping between two guard pages.
type Arena struct {
	mem     []byte // without the guards
	used    int
	kind    Kind
	why     string
	release func() error
}

// Align is the alignment in bytes of everything that Take returns: two cache lines, since processors
// prefetch in pairs.
const Align = 128

// New maps an arena of zeros. Errors: ErrUnlocked, and the operating system's.
func New(o Options) (*Arena, error) {
	if o.Bytes <= 0 {
		return nil, fmt.Errorf("making an arena of %d bytes: size must be positive", o.Bytes)
	}
	a, err := newArena(o.Bytes)
	if err != nil {
		return nil, fmt.Errorf("making an arena of %d bytes: %w", o.Bytes, err)
	}
	if o.RequireLocked && a.kind > Mlock {
		why := a.why
		if err := a.Close(); err != nil {
			return nil, fmt.Errorf("unmapping an arena: %w", err)
		}
		return nil, fmt.Errorf("%w: %s", ErrUnlocked, why)
	}
	return a, nil
}

// Kind is what New got.
func (a *Arena) Kind() Kind { return a.kind }

// Why says why nothing better was to be had; empty for memfd_secret.
func (a *Arena) Why() string { return a.why }

// Bytes is the size between the guard pages.
func (a *Arena) Bytes() int { return len(a.mem) }

// String names kind and size, never contents.
func (a *Arena) String() string { return fmt.Sprintf("arena(%s, %d bytes)", a.kind, len(a.mem)) }

// GoString is String, so that %#v does not print the memory.
func (a *Arena) GoString() string { return a.String() }

// SizeOf is what Take uses up for n values of T, in bytes.
func SizeOf[T any](n int) int {
	var zero T
	return n * roundUp(int(unsafe.Sizeof(zero)), Align)
}

// Take carves a zero T. It panics when the arena is used up or T holds pointers: sizes and types are the
// program's own, no input reaches them.
func Take[T any](a *Arena) *T {
	if holdsPointers(reflect.TypeFor[T]()) {
		panic("arena: " + reflect.TypeFor[T]().String() + " holds pointers")
	}
	n := SizeOf[T](1)
	if n > len(a.mem)-a.used {
		panic("arena: used up")
	}
	p := unsafe.Pointer(unsafe.SliceData(a.mem[a.used:]))
	a.used += n
	return (*T)(p)
}

// Wipe sets the whole arena to zero. Nobody may be using it.
func (a *Arena) Wipe() { clear(a.mem) }

// Close wipes the arena and gives it back. Nothing that was taken may be touched afterwards.
func (a *Arena) Close() error {
	if a.mem == nil {
		return nil
	}
	a.Wipe()
	a.mem, a.used = nil, 0
	return a.release()
}

func holdsPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && holdsPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if holdsPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	default:
		return true
	}
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// newHeap is an arena on the Go heap, aligned like the others.
func newHeap(size int, kind Kind, why string) *Arena {
	buf := make([]byte, roundUp(size, Align)+Align)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(buf))) % Align)
	return &Arena{
		mem:     buf[skip : skip+roundUp(size, Align)],
		kind:    kind,
		why:     why,
		release: func() error { return nil },
	}
}

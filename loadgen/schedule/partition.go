package schedule

import (
	"fmt"
	"math/bits"
	"time"
)

// Partition splits a schedule over agents, so that each hit belongs to exactly one and keeps its number and due time. Each agent
// walks through the whole schedule and takes its hits; they need to agree on nothing else.
//
// Hits of a deterministic schedule go round: hit n belongs to agent n modulo the agents, so that each has the schedule's shape at its
// share of the rate, and its hits lie evenly between the others'. Hits of a Poisson schedule and of a trace are dealt by a hash of
// seed and number: the parts of a Poisson process chosen so are independent Poisson processes, which stay one in sum even where
// the agents' clocks differ, and a trace may have a period that going round would fall in step with.
type Partition struct {
	Seed   uint64
	Agents int // 0 or 1: one agent has all hits
}

// Owner is the agent that hit n of s belongs to, from 0.
func (p Partition) Owner(s Schedule, n uint64) int {
	if p.Agents <= 1 {
		return 0
	}
	if part, ok := s.(share); ok {
		s = part.whole
	}
	if GoesRound(s) {
		return int(n % uint64(p.Agents))
	}
	return ownerOf(p.Seed, n, p.Agents)
}

func ownerOf(seed, n uint64, agents int) int {
	owner, _ := bits.Mul64(scramble(scramble(seed^0x6167656e74)+n), uint64(agents))
	return int(owner)
}

// GoesRound tells whether the hits of s are dealt to agents in turn, and not by a hash.
func GoesRound(s Schedule) bool {
	_, ok := s.(even)
	return ok
}

// Gap is the time between two hits of a constant schedule; ok is false for any other.
func Gap(s Schedule) (gap time.Duration, ok bool) {
	if e, is := s.(even); is {
		if c, is := e.shape.(constant); is && c.rate > 0 {
			return seconds(1 / c.rate), true
		}
	}
	return 0, false
}

// Share is the schedule of one agent. Its hits have the numbers that they have in s.
func (p Partition) Share(s Schedule, agent int) Schedule {
	if p.Agents <= 1 {
		return s
	}
	return share{whole: s, member: member{seed: p.Seed, agent: agent, agents: p.Agents}}
}

// member says whose hits are wanted.
type member struct {
	seed   uint64
	agent  int
	agents int
}

// everyHit wants all.
var everyHit = member{agents: 1}

func (m *member) owns(n uint64) bool { return m.agents == 1 || ownerOf(m.seed, n, m.agents) == m.agent }

type share struct {
	whole Schedule
	member
}

func (s share) Duration() time.Duration { return s.whole.Duration() }
func (s share) MeanRate() float64       { return s.whole.MeanRate() / float64(s.agents) }

func (s share) String() string {
	return fmt.Sprintf("%s, share %d of %d", s.whole, s.agent+1, s.agents)
}

// Entries and Err are the whole schedule's, see FileTrace.
func (s share) Entries() int {
	if t, ok := s.whole.(interface{ Entries() int }); ok {
		return t.Entries()
	}
	return 0
}

// Err is described at Entries.
func (s share) Err() error {
	if t, ok := s.whole.(interface{ Err() error }); ok {
		return t.Err()
	}
	return nil
}

func (s share) Iterator() Iterator { return s.IteratorAt(0) }

func (s share) IteratorAt(from time.Duration) Iterator {
	switch whole := s.whole.(type) {
	case even:
		i := whole.iteratorAt(from)
		i.stride = uint64(s.agents)
		i.next += (uint64(s.agent) + i.stride - i.next%i.stride) % i.stride
		return i
	case poisson:
		i := whole.iteratorAt(from)
		i.only = s.member
		return i
	}
	return &shareIterator{whole: s.whole.IteratorAt(from), member: s.member}
}

type shareIterator struct {
	whole Iterator
	member
}

func (i *shareIterator) Next() (Hit, bool) {
	for {
		hit, ok := i.whole.Next()
		if !ok || i.owns(hit.N) {
			return hit, ok
		}
	}
}

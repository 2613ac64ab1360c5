package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// auditCount is how many records have a name.
type auditCount struct {
	Name    string `json:"name"`
	Records uint64 `json:"records"`
	Failed  uint64 `json:"failed"`
}

// auditStats is what 'trent audit stats' says.
type auditStats struct {
	Records  uint64       `json:"records"`
	Failed   uint64       `json:"failed"`
	Lost     uint64       `json:"lost"`
	First    time.Time    `json:"first"`
	Last     time.Time    `json:"last"`
	Minutes  auditMinutes `json:"perMinute"`
	Events   []auditCount `json:"events"`
	Errors   []auditCount `json:"errors"`
	Callers  []auditCount `json:"callers"`
	Keys     []auditCount `json:"keys"`
	Accounts []auditCount `json:"accounts"`
}

// auditMinutes is how many records came in a minute, over the minutes from the first to the last.
type auditMinutes struct {
	Mean float64   `json:"mean"`
	P50  uint64    `json:"p50"`
	P95  uint64    `json:"p95"`
	P99  uint64    `json:"p99"`
	Max  uint64    `json:"max"`
	Peak time.Time `json:"peak"`
}

func newAuditStatsCommand(e *environment) *cobra.Command {
	var f auditFlags
	var top int
	c := &cobra.Command{
		Use:   "stats [PATH …]",
		Short: "Count records by operation, error, caller, key and account",
		Long: `Stats counts the records that fit all flags, and how many came in a minute: on average, at most, and at percentiles over
the minutes from the first record to the last. Records that Trent dropped because the disk could not keep up are lost, and
counted apart.`,
		Example: `  trent audit stats
  trent audit stats --error any --top 5 logs/
  trent audit stats --json | jq .perMinute.p99`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			counter := newAuditCounter()
			if err := f.each(e, func(r *auditRecord) error { counter.add(r); return nil }); err != nil {
				return err
			}
			stats := counter.stats(top)
			if f.asJSON {
				enc := json.NewEncoder(e.Stdout)
				enc.SetIndent("", "  ")
				return enc.Encode(stats)
			}
			return stats.print(e.Stdout)
		},
	}
	f.bind(e, c.Flags())
	c.Flags().IntVar(&top, "top", 10, "how many of each kind are named, by their records; 0: all")
	return c
}

// maxNamed bounds the names of a kind that are counted apart; the others are counted together.
const maxNamed = 100_000

type auditCounter struct {
	total                                   auditStats
	events, errors, callers, keys, accounts map[string]*auditCount
	minutes                                 map[int64]uint64
}

func newAuditCounter() *auditCounter {
	return &auditCounter{
		events: map[string]*auditCount{}, errors: map[string]*auditCount{}, callers: map[string]*auditCount{}, keys: map[string]*auditCount{},
		accounts: map[string]*auditCount{}, minutes: map[int64]uint64{},
	}
}

func (c *auditCounter) add(r *auditRecord) {
	t := &c.total
	if t.Lost += r.Details.RecordsLost; r.Details.RecordsLost > 0 {
		return
	}
	t.Records++
	failed := r.ErrorCode != ""
	if failed {
		t.Failed++
		count(c.errors, r.ErrorCode, true)
	}
	if t.First.IsZero() || r.EventTime.Before(t.First) {
		t.First = r.EventTime
	}
	if r.EventTime.After(t.Last) {
		t.Last = r.EventTime
	}
	c.minutes[r.EventTime.Unix()/60]++
	count(c.events, r.EventName, failed)
	count(c.callers, r.caller(), failed)
	count(c.accounts, r.Account, failed)
	for _, of := range r.Resources {
		count(c.keys, of.ARN, failed)
	}
}

func count(in map[string]*auditCount, name string, failed bool) {
	of := in[name]
	if of == nil {
		if len(in) >= maxNamed {
			name = "others"
		}
		if of = in[name]; of == nil {
			of = &auditCount{Name: name}
			in[name] = of
		}
	}
	of.Records++
	if failed {
		of.Failed++
	}
}

func (c *auditCounter) stats(top int) *auditStats {
	s := &c.total
	s.Events, s.Errors, s.Callers, s.Keys, s.Accounts = mostRecords(c.events, top), mostRecords(c.errors, top), mostRecords(c.callers, top), mostRecords(c.keys, top), mostRecords(c.accounts, top)
	if s.Records == 0 {
		return s
	}
	// Minutes without a record count too; there are too many of them to list in a log with a gap of years.
	span := s.Last.Unix()/60 - s.First.Unix()/60 + 1
	busy := slices.Sorted(maps.Values(c.minutes))
	at := func(percent int64) uint64 {
		rank := (span*percent + 99) / 100 // the least value that so many percent of the minutes do not exceed
		if i := rank - (span - int64(len(busy))) - 1; i >= 0 {
			return busy[i]
		}
		return 0
	}
	s.Minutes = auditMinutes{Mean: float64(s.Records) / float64(span), P50: at(50), P95: at(95), P99: at(99), Max: busy[len(busy)-1]}
	for minute, n := range c.minutes {
		if n == s.Minutes.Max && (s.Minutes.Peak.IsZero() || time.Unix(minute*60, 0).Before(s.Minutes.Peak)) {
			s.Minutes.Peak = time.Unix(minute*60, 0).UTC()
		}
	}
	return s
}

func mostRecords(of map[string]*auditCount, top int) []auditCount {
	all := make([]auditCount, 0, len(of))
	for _, c := range of {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b auditCount) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Name, b.Name))
	})
	if top > 0 && len(all) > top {
		all = all[:top]
	}
	return all
}

func (s *auditStats) print(w io.Writer) error {
	if s.Records == 0 {
		_, err := fmt.Fprintf(w, "no records; %d lost\n", s.Lost)
		return err
	}
	fmt.Fprintf(w, "%d records from %s to %s, %d failed, %d lost\n", s.Records, s.First.Format(time.RFC3339), s.Last.Format(time.RFC3339), s.Failed, s.Lost)
	m := &s.Minutes
	fmt.Fprintf(w, "a minute: mean %.1f, p50 %d, p95 %d, p99 %d, most %d at %s\n", m.Mean, m.P50, m.P95, m.P99, m.Max, m.Peak.Format(time.RFC3339))
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, section := range []struct {
		title  string
		counts []auditCount
	}{{"EVENT", s.Events}, {"ERROR", s.Errors}, {"CALLER", s.Callers}, {"KEY", s.Keys}, {"ACCOUNT", s.Accounts}} {
		if len(section.counts) == 0 {
			continue
		}
		fmt.Fprintf(t, "\n%s\tRECORDS\tFAILED\n", section.title)
		for _, c := range section.counts {
			fmt.Fprintf(t, "%s\t%d\t%d\n", orDash(c.Name), c.Records, c.Failed)
		}
	}
	return t.Flush()
}

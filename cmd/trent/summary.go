package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"strings"
	"text/tabwriter"

	"trent/fastpath/testclock"
	"trent/hsm"
)

// summary is what serve says of itself when it starts.
type summary struct {
	ready      readyInfo
	dataDir    string
	hsm        string // where keys are
	status     hsm.Status
	heapLocked bool
	heapWhy    string
	authz      string // what is to be said of decisions; empty: they are enforced
	records    string // where records of requests are kept
	tls        string // versions and key exchange
	fips       string // the module in use; empty: FIPS mode was not asked for
	cert       string // of the user's own; empty: the local CA's
	clock      string // how far the test clock is ahead; empty: there is none
}

func (r *running) summarise(s *settings) error {
	status, err := r.hsm.module.Status(context.Background())
	if err != nil {
		return failure(err, "")
	}
	r.summary = summary{ready: r.ready, dataDir: s.DataDir, hsm: r.hsm.where, status: status}
	r.summary.tls = [...]string{"TLS 1.2 and 1.3, X25519MLKEM768 offered", "TLS 1.3 with hybrid key exchange only", "TLS 1.2 and 1.3, classical key exchange"}[s.PQ]
	if r.certs != nil {
		r.summary.cert = r.certs.String()
	}
	if s.ClientCA != "" {
		r.summary.tls += ", client certificates required"
	}
	if s.FIPS {
		r.summary.fips = fipsNote()
	}
	r.summary.authz = authzNotes[s.Authz.Authorization]
	r.summary.records = "none are kept"
	if records := s.Audit.options(s.DataDir).Records; records != nil {
		r.summary.records = records.Dir + "  ('trent audit' reads them)"
	}
	if s.TestClock {
		r.summary.clock = testclock.FormatDuration(r.server.ReadClock().Ahead)
	}
	return nil
}

func (s *summary) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("endpoint", "%s  (%s)", s.ready.Endpoint, s.tls)
	if s.cert != "" {
		row("certificate", "%s  (SIGHUP or 'trent certificates reload%s' reads it again)", s.cert, dataDirFlag(s.dataDir))
	}
	for _, e := range s.ready.VPCEndpoints {
		row("VPC endpoint", "%s  (%s in %s, %s; %s)", e.Endpoint, e.ID, e.VPC, e.Region, e.DNSName)
	}
	if s.ready.Metrics != "" {
		row("health, metrics", "%s/healthz  %s/metrics", s.ready.Metrics, s.ready.Metrics)
	}
	if s.ready.Plaintext != "" {
		row("without TLS", "%s  (for comparisons only)", s.ready.Plaintext)
	}
	if s.authz != "" {
		row("authorization", "%s", s.authz)
	}
	row("records", "%s", s.records)
	row("data", "%s  (store: pebble)", s.dataDir)
	row("HSM", "%s", s.hsm)
	row("key memory", "%s, %d KiB%s", s.status.ArenaKind, s.status.ArenaBytes>>10, because(s.status.ArenaWhy))
	if s.heapLocked {
		row("Go heap", "locked")
	} else {
		row("Go heap", "not locked, may be swapped%s", because(s.heapWhy))
	}
	row("kernels", "%s  (found: %s)", s.status.Kernel, strings.Join(s.status.Kernels, ", "))
	if s.fips != "" {
		row("FIPS 140-3", "%s", s.fips)
	}
	row("workers", "%d", s.status.Workers)
	row("domain key", "version %d", s.status.DomainVersion)
	row("runtime/secret", "%s", yesNo(s.status.RuntimeSecret, "in this build", "not in this build"))
	if s.clock != "" {
		row("test clock", "%s ahead of real time; 'trent clock' moves it", s.clock)
	}
	if s.ready.BuiltIn {
		row("credential", "test / test, root of account %s", s.ready.Account)
	}
	row("next", `eval "$(trent env%s)"; aws kms list-keys`, dataDirFlag(s.dataDir))
	_ = t.Flush()
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

func yesNo(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// newLogger prefixes the server's own messages with the time; it is where trouble goes, never customer data.
func newLogger(w io.Writer) func(string, ...any) {
	l := log.New(w, "trent: ", log.LstdFlags|log.Lmicroseconds|log.LUTC|log.Lmsgprefix)
	return l.Printf
}

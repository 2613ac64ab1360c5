package operator

import (
	"errors"
	"io"
	"slices"

	"trent/hsm"
	"trent/hsm/internal/domain"
)

// AuditFileName is the name of the log in an appliance's state directory.
const AuditFileName = domain.AuditFileName

// ErrAudit is a log that does not show what it should.
var ErrAudit = domain.ErrAudit

// AuditLog are the entries of a log.
type AuditLog []*domain.AuditEntry

// ReadAudit reads log files of one domain, of several members where one lacks some entries. Error: ErrAudit.
func ReadAudit(files ...io.Reader) (AuditLog, error) {
	var logs [][]*domain.AuditEntry
	for _, f := range files {
		log, err := domain.ReadLog(f)
		if err != nil {
			return nil, err
		}
		logs = append(logs, log)
	}
	if len(logs) == 1 {
		return logs[0], nil // as it is: merging would sort it
	}
	return domain.MergeLogs(logs...)
}

// Encode is the log's file.
func (l AuditLog) Encode() []byte { return domain.EncodeLog(l) }

// Done is a command that was done.
type Done struct {
	Number  uint64
	Hash    [32]byte // of the entry
	Command *Command
	Before  *hsm.DomainState // nil: there was none, or a log that is only shown does not say
	After   *hsm.DomainState // nil: the log is only shown
	Signers []hsm.DomainPrincipal
	Entry   *domain.AuditEntry
}

// Verify does all commands of a log again, from base on (nil: from the creation), and holds the end against newest (nil: not
// known). With ErrAudit it gives what was right before.
func (l AuditLog) Verify(base, newest *hsm.DomainState) ([]Done, error) {
	replayed, err := domain.VerifyLog(l, base, newest)
	all := make([]Done, 0, len(replayed))
	for _, r := range replayed {
		c, _, parseErr := domain.ParseCommand(r.Signed)
		if parseErr != nil {
			return all, errors.Join(err, parseErr)
		}
		d := Done{Number: r.Number, Hash: r.Head().Hash, Command: c, Before: r.Before, After: r.After, Entry: r.AuditEntry}
		listed := r.After.Signers
		if r.Before != nil {
			listed = r.Before.Signers
		}
		for _, f := range r.Signers {
			if i := slices.IndexFunc(listed, func(p hsm.DomainPrincipal) bool { return FingerprintOf(p.Signing) == f }); i >= 0 {
				d.Signers = append(d.Signers, listed[i])
			}
		}
		all = append(all, d)
	}
	return all, err
}

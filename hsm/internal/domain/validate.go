package domain

import (
	"bytes"
	"cmp"
	"crypto/mlkem"
	"errors"
	"fmt"
	"slices"
	"time"
)

// sort puts the command's lists in the order in which they are encoded.
func (c *Command) sort() {
	sortHSMs(c.Members)
	sortPrincipals(c.Signers)
	sortRules(c.Rules)
	slices.SortFunc(c.Keys, func(a, b KeyInfo) int { return cmp.Compare(a.Version, b.Version) })
}

func sortHSMs(all []HSM) { slices.SortFunc(all, compareHSMs) }

func compareHSMs(a, b HSM) int { return compareKeys(a.Signing, b.Signing) }

func sortPrincipals(all []Principal) { slices.SortFunc(all, comparePrincipals) }

func comparePrincipals(a, b Principal) int { return compareKeys(a.Signing, b.Signing) }

// compareKeys orders by fingerprint.
func compareKeys(a, b []byte) int {
	x, y := FingerprintOf(a), FingerprintOf(b)
	return bytes.Compare(x[:], y[:])
}

func sortRules(all []Rule) {
	slices.SortFunc(all, func(a, b Rule) int { return cmp.Compare(a.Command, b.Command) })
	for _, r := range all {
		for _, alternative := range r.Any {
			slices.SortFunc(alternative, func(a, b Requirement) int { return cmp.Compare(a.Role, b.Role) })
		}
		slices.SortFunc(r.Any, compareAlternatives)
	}
}

func compareAlternatives(a, b []Requirement) int {
	return slices.CompareFunc(a, b, func(x, y Requirement) int {
		return cmp.Or(cmp.Compare(x.Role, y.Role), cmp.Compare(x.N, y.N))
	})
}

// check is what a command must be in any state.
func (c *Command) check() error {
	if err := c.checkFields(); err != nil {
		return fmt.Errorf("%w: %w", ErrCommand, err)
	}
	return nil
}

func (c *Command) checkFields() error {
	if c.Kind == 0 || c.Kind > lastCommandKind {
		return fmt.Errorf("kind %d is none that this program knows", c.Kind)
	}
	if c.Expires.IsZero() {
		return errors.New("it has no expiry")
	}
	if err := c.checkUnused(); err != nil {
		return err
	}
	if (c.Kind == CreateDomain) != (c.State == 0) {
		return errors.New("only the creation applies to no state")
	}
	if c.Kind == CreateDomain && (c.Domain != [idSize]byte{} || c.Parent != [32]byte{}) {
		return errors.New("a creation names no domain and no parent")
	}
	if c.needsTarget() && c.Target == (Fingerprint{}) {
		return fmt.Errorf("%s names the module that does it", c.Kind)
	}
	if err := checkHSMs(c.Members); err != nil {
		return err
	}
	if err := checkPrincipals(c.Signers); err != nil {
		return err
	}
	for _, share := range c.Shares {
		if len(share) == 0 || len(share) > maxShare {
			return fmt.Errorf("a share has 1 to %d bytes", maxShare)
		}
	}
	return checkRuleForm(c.Rules)
}

func (c *Command) needsTarget() bool {
	return c.Kind == CreateDomain || c.Kind == LeaveDomain || c.Kind == RecoverDomain
}

// field is a part of a command that some kinds have.
type field uint16

const (
	hasName field = 1 << iota
	hasMembers
	hasSigners
	hasRules
	hasRotation
	hasThreshold
	hasVersion
	hasShares
	hasKeys
)

// needed and optional are by kind; what is in neither is zero.
var (
	needed = [lastCommandKind + 1]field{
		CreateDomain:  hasName | hasMembers | hasSigners | hasRules | hasRotation | hasThreshold,
		ModifyMembers: hasMembers,
		ModifySigners: hasSigners,
		ModifyRules:   hasRules | hasRotation,
		ActivateKey:   hasVersion,
		DropKey:       hasVersion,
		RecoverDomain: hasMembers | hasShares | hasThreshold,
		RestoreKeys:   hasKeys,
	}
	optional = [lastCommandKind + 1]field{ModifySigners: hasRules | hasThreshold}
)

func (c *Command) checkUnused() error {
	var has field
	for _, f := range [...]struct {
		there bool
		bit   field
	}{
		{c.Name != "", hasName},
		{len(c.Members) > 0, hasMembers},
		{len(c.Signers) > 0, hasSigners},
		{len(c.Rules) > 0, hasRules},
		{c.Rotation != 0, hasRotation},
		{c.Threshold != 0, hasThreshold},
		{c.Version != 0, hasVersion},
		{len(c.Shares) > 0, hasShares},
		{len(c.Keys) > 0, hasKeys},
	} {
		if f.there {
			has |= f.bit
		}
	}
	if has&needed[c.Kind] != needed[c.Kind] {
		return fmt.Errorf("%s lacks something that it needs", c.Kind)
	}
	if has&^(needed[c.Kind]|optional[c.Kind]) != 0 {
		return fmt.Errorf("%s carries something that it does not change", c.Kind)
	}
	if c.Kind != DropKey && c.Statement != (Statement{}) {
		return fmt.Errorf("%s carries a statement, which only DropKey does", c.Kind)
	}
	if c.Name != "" && !validName(c.Name) {
		return fmt.Errorf("the name %q is not 1 to %d of a-z, 0-9 and -", c.Name, maxName)
	}
	if c.Rotation != 0 {
		return checkRotation(c.Rotation)
	}
	return nil
}

func checkRotation(d time.Duration) error {
	if d < MinRotation || d > MaxRotation {
		return fmt.Errorf("domain keys rotate every %v to %v, not every %v", MinRotation, MaxRotation, d)
	}
	return nil
}

// checkHSMs checks each member and the order of all.
func checkHSMs(all []HSM) error {
	if len(all) > MaxMembers {
		return fmt.Errorf("a domain has at most %d members", MaxMembers)
	}
	names := map[string]bool{}
	for i := range all {
		m := &all[i]
		switch {
		case !validLabel(m.Name):
			return fmt.Errorf("the module's name %q is not 1 to %d letters, digits and ._@+-", m.Name, maxName)
		case names[m.Name]:
			return fmt.Errorf("two modules are named %s: give each its own name", m.Name)
		case i > 0 && compareHSMs(all[i-1], *m) >= 0:
			return errors.New("the modules are not sorted, or one stands there twice")
		}
		names[m.Name] = true
		if err := checkKeys(m.Signing, m.Agreement); err != nil {
			return fmt.Errorf("module %s: %w", m.Name, err)
		}
		if len(m.KEM) == 0 {
			continue
		}
		if _, err := mlkem.NewEncapsulationKey1024(m.KEM); err != nil {
			return fmt.Errorf("module %s: its KEM key is no ML-KEM-1024 encapsulation key", m.Name)
		}
	}
	return nil
}

// checkPrincipals checks each signer and the order of all.
func checkPrincipals(all []Principal) error {
	if len(all) > MaxSigners {
		return fmt.Errorf("a domain has at most %d signers", MaxSigners)
	}
	names := map[string]bool{}
	for i := range all {
		p := &all[i]
		switch {
		case !validLabel(p.Name):
			return fmt.Errorf("the signer's name %q is not 1 to %d letters, digits and ._@+-", p.Name, maxName)
		case names[p.Name]:
			return fmt.Errorf("two signers are named %s: give each its own name", p.Name)
		case p.Role != Operator && p.Role != ServiceHost:
			return fmt.Errorf("%s has role %d, which is none", p.Name, p.Role)
		case p.Role == ServiceHost && len(p.Agreement) != 0:
			return fmt.Errorf("%s is a service host and has an agreement key, which only operators have", p.Name)
		case i > 0 && comparePrincipals(all[i-1], *p) >= 0:
			return errors.New("the signers are not sorted, or one key stands there twice: each signer has a key of its own")
		}
		names[p.Name] = true
		var err error
		if p.Role == Operator {
			err = checkKeys(p.Signing, p.Agreement)
		} else if !ValidKey(p.Signing) {
			err = errKey
		}
		if err != nil {
			return fmt.Errorf("signer %s: %w", p.Name, err)
		}
	}
	return nil
}

var errKey = errors.New("its signing key is not a public key on the curve P-384 (SubjectPublicKeyInfo, DER)")

// checkKeys checks two keys that must not be one.
func checkKeys(signing, agreement []byte) error {
	switch {
	case !ValidKey(signing):
		return errKey
	case !ValidKey(agreement):
		return errors.New("its agreement key is not a public key on the curve P-384 (SubjectPublicKeyInfo, DER)")
	case bytes.Equal(signing, agreement):
		return errors.New("its signing and agreement keys are the same key")
	}
	return nil
}

// Bounds of the period in which domain keys rotate. AWS KMS rotates daily, weekly at most.
const (
	MinRotation = time.Second
	MaxRotation = 7 * 24 * time.Hour
)

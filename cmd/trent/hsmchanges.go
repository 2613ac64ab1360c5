package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/pflag"

	"trent/hsm"
	"trent/hsm/operator"
)

// changes are all that can be wanted of a domain.
func changes() []change {
	return []change{
		{name: "create", first: true, short: "Create a domain",
			long: `Create makes a domain: the appliance of the first --state makes its first domain key and the recovery key, split into
shares for the operators. The appliances of further --state, and those of --module, are members too.`,
			example: `create --name main --state /var/lib/trent-hsm --operator alice.pub --host host-1.pub --key alice.key
  create --name main --state a --state b --operator alice.pub --operator bob.pub --operator carol.pub --quorum 2 --key alice.key`,
			flags: (*changeFlags).bindCreate, build: buildCreate},
		{name: "join", short: "Add modules to a domain",
			long: `Join adds members: the appliances of --state that are none yet, and those of --module. At least one --state, the first, is a
member already: it does the command.`,
			example: "join --state member --state new --key alice.key\n  join --state member --module hsm-2.json --key alice.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.StringArrayVar(&f.modules, "module", nil, "file of a module that joins ('trent hsm domain identity'); may be repeated")
			}, build: buildJoin},
		{name: "remove", short: "Remove modules from a domain",
			long: `Remove makes modules members no more, and the domain keys rotate at once: what the removed ones know seals nothing from then
on. Zeroize a removed appliance, or have it leave: until then it can open what was sealed before.`,
			example: "remove --state member --module hsm-2 --key alice.key --key bob.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.StringArrayVar(&f.remove, "module", nil, "name or fingerprint of a member; may be repeated (required)")
			}, build: buildRemove},
		{name: "operators", short: "Show or change operators",
			long: `Operators lists them; with --add or --remove it changes them. Other operators get shares of a new recovery key: older shares
recover nothing any more. The quorum is more than half of them, unless --quorum or --rule says otherwise.`,
			example: "operators --state member --add bob.pub --add carol.pub --quorum 2 --key alice.key\n  operators --state member --remove bob --key alice.key --key carol.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.StringArrayVar(&f.add, "add", nil, "public file of an operator; may be repeated")
				fs.StringArrayVar(&f.remove, "remove", nil, "name or fingerprint of an operator; may be repeated")
				f.bindQuorum(fs)
			}, build: buildOperators},
		{name: "hosts", short: "Show or change service hosts",
			long: `Hosts lists them; with --add or --remove it changes them. Appliances serve hosts that are listed, and no others. When one goes,
the domain keys rotate at once.`,
			example: "hosts --state member --add host-2.pub --key alice.key\n  hosts --state member --remove host-1 --key alice.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.StringArrayVar(&f.add, "add", nil, "public file of a host; may be repeated")
				fs.StringArrayVar(&f.remove, "remove", nil, "name or fingerprint of a host; may be repeated")
			}, build: buildHosts},
		{name: "rules", short: "Show or change quorum rules and the period of rotation",
			long: `Rules lists who may have which command done; with flags it changes that. A rule is a number of operators, hosts or both, or
alternatives of such. No single operator can be enough where there are two, and a host for nothing but rotation.`,
			example: "rules --state member --quorum 3 --key alice.key --key bob.key\n  rules --state member --rule 'modify-rules=3 operators' --rotate-every 12h --key alice.key --key bob.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.IntVar(&f.quorum, "quorum", 0, "operators who must sign any command")
				f.bindRules(fs, 0)
			}, build: buildRules},
		{name: "rotate", short: "Make a new domain key",
			long: `Rotate makes a pending domain key, which seals nothing until it is activated: do that once all members hold the new state.
Hosts rotate on their own, daily by default. With --server and no --key the server does it at once, with all that follows, also
one whose HSM is embedded.`,
			example: "rotate --server /var/lib/trent\n  rotate --state member --key host-1.key",
			build: func(context.Context, *changeFlags, *hsm.DomainState) (operator.Command, error) {
				return operator.Command{Kind: operator.RotateKeys}, nil
			}},
		{name: "activate", short: "Seal by the pending domain key",
			long:    "Activate makes the pending domain key seal from now on. All members must hold the state that has it.",
			example: "activate --state member --key host-1.key",
			build:   buildActivate},
		{name: "drop", short: "Drop a domain key that nothing needs",
			long: `Drop has all members forget a deactivated domain key. A service host must sign it, with the number of tokens that it found
under the key, none. Hosts do that on their own. What is still under a dropped key is lost.`,
			example: "drop --state member --version 3 --tokens 0 --counted 2026-03-01T12:00:00Z --key host-1.key",
			flags: func(f *changeFlags, fs *pflag.FlagSet) {
				fs.Uint32Var(&f.version, "version", 0, "version of the domain key (required)")
				fs.Uint64Var(&f.tokens, "tokens", 0, "how many tokens were found under it")
				fs.StringVar(&f.counted, "counted", "", "when they were counted, RFC 3339 (required)")
			}, build: buildDrop},
		{name: "leave", short: "Have a module erase itself",
			long: `Leave erases the appliance of the first --state: domain keys and its own keys. Further ones learn of it. Remove it from the
domain as well: until then the domain lists a module that is no more.`,
			example: "leave --state leaving --state member --key alice.key --key bob.key",
			build:   buildLeave},
	}
}

func buildCreate(ctx context.Context, f *changeFlags, _ *hsm.DomainState) (c operator.Command, err error) {
	if f.name == "" || len(f.add) == 0 {
		return c, usageError(errors.New("a domain needs a name and an operator"), "give --name and --operator FILE")
	}
	if err := f.checkRotation(); err != nil {
		return c, err
	}
	c = operator.Command{Kind: operator.CreateDomain, Name: f.name, Rotation: f.rotation}
	if len(f.states) == 0 && len(f.modules) == 0 {
		return c, usageError(errors.New("a domain needs a module"), "give --state DIR of an appliance that runs here")
	}
	if c.Members, err = f.modulesOf(ctx, f.states); err != nil {
		return c, err
	}
	c.Target = operator.FingerprintOf(c.Members[0].Signing)
	operators, err := signersOf(f.add, operator.Operator)
	if err != nil {
		return c, err
	}
	hosts, err := signersOf(f.addHosts, operator.ServiceHost)
	if err != nil {
		return c, err
	}
	c.Signers = slices.Concat(operators, hosts)
	if c.Rules, err = f.newRules(len(operators)); err != nil {
		return c, err
	}
	c.Threshold = f.sharesWanted(len(operators))
	return c, nil
}

// sharesWanted is the threshold: as many as must sign.
func (f *changeFlags) sharesWanted(operators int) uint8 {
	switch {
	case f.threshold > 0:
		return uint8(min(f.threshold, 255))
	case f.quorum > 0:
		return uint8(min(max(f.quorum, min(2, operators)), 255))
	}
	return uint8(min(majority(operators), 255))
}

func buildJoin(ctx context.Context, f *changeFlags, s *hsm.DomainState) (operator.Command, error) {
	c := operator.Command{Kind: operator.ModifyMembers, Members: slices.Clone(s.Members)}
	candidates, err := f.modulesOf(ctx, f.states)
	if err != nil {
		return c, err
	}
	for _, m := range candidates {
		if !slices.ContainsFunc(c.Members, func(n hsm.DomainHSM) bool { return string(n.Signing) == string(m.Signing) }) {
			c.Members = append(c.Members, m)
		}
	}
	if len(c.Members) == len(s.Members) {
		return c, usageError(errors.New("all these modules are members already"), "give --state of an appliance that is none, or --module FILE")
	}
	return c, nil
}

func buildRemove(_ context.Context, f *changeFlags, s *hsm.DomainState) (c operator.Command, err error) {
	if len(f.remove) == 0 {
		return c, usageError(errors.New("which module is to go is not said"), "give --module NAME")
	}
	c = operator.Command{Kind: operator.ModifyMembers}
	c.Members, err = without(s.Members, f.remove, moduleName)
	if err == nil && len(c.Members) == 0 {
		err = usageError(errors.New("no member would be left"), "the last one is zeroized: 'trent hsm zeroize'")
	}
	return c, err
}

// errShow is a change that changes nothing: what there is is shown.
var errShow = errors.New("nothing is to change")

func buildOperators(_ context.Context, f *changeFlags, s *hsm.DomainState) (c operator.Command, err error) {
	if len(f.add) == 0 && len(f.remove) == 0 {
		return c, errShow
	}
	c = operator.Command{Kind: operator.ModifySigners}
	if c.Signers, err = without(s.Signers, f.remove, signerName); err != nil {
		return c, err
	}
	added, err := signersOf(f.add, operator.Operator)
	if err != nil {
		return c, err
	}
	c.Signers = append(c.Signers, added...)
	n := countOperators(c.Signers)
	if n == 0 {
		return c, usageError(errors.New("no operator would be left"), "at least one must stay")
	}
	if n != countOperators(s.Signers) || f.quorum > 0 {
		if c.Rules, err = f.newRules(n); err != nil {
			return c, err
		}
		if sameRules(c.Rules, s.Rules) {
			c.Rules = nil
		}
	}
	c.Threshold = f.sharesWanted(n)
	return c, nil
}

func buildHosts(_ context.Context, f *changeFlags, s *hsm.DomainState) (c operator.Command, err error) {
	if len(f.add) == 0 && len(f.remove) == 0 {
		return c, errShow
	}
	c = operator.Command{Kind: operator.ModifySigners}
	if c.Signers, err = without(s.Signers, f.remove, signerName); err != nil {
		return c, err
	}
	if countOperators(c.Signers) != countOperators(s.Signers) {
		return c, usageError(errors.New("--remove names an operator"), "operators are changed by 'operators'")
	}
	added, err := signersOf(f.add, operator.ServiceHost)
	c.Signers = append(c.Signers, added...)
	return c, err
}

func buildRules(_ context.Context, f *changeFlags, s *hsm.DomainState) (c operator.Command, err error) {
	if f.quorum == 0 && f.rotation == 0 && len(f.rules) == 0 {
		return c, errShow
	}
	if err := f.checkRotation(); err != nil {
		return c, err
	}
	c = operator.Command{Kind: operator.ModifyRules, Rules: s.Rules, Rotation: s.Rotation}
	if f.rotation != 0 {
		c.Rotation = f.rotation
	}
	if f.quorum > 0 {
		c.Rules, err = f.newRules(countOperators(s.Signers))
	} else {
		c.Rules, err = f.applyRules(s.Rules)
	}
	return c, err
}

func buildActivate(_ context.Context, _ *changeFlags, s *hsm.DomainState) (operator.Command, error) {
	for _, k := range s.Keys {
		if k.Phase.String() == "pending" {
			return operator.Command{Kind: operator.ActivateKey, Version: k.Version}, nil
		}
	}
	return operator.Command{}, failure(errors.New("no domain key is pending"), "make one by 'rotate'")
}

func buildDrop(_ context.Context, f *changeFlags, _ *hsm.DomainState) (c operator.Command, err error) {
	if f.version == 0 {
		return c, usageError(errors.New("which domain key is to go is not said"), "give --version; 'trent hsm domain show' lists them")
	}
	counted, err := f.countedAt()
	c = operator.Command{Kind: operator.DropKey, Version: f.version,
		Statement: operator.Statement{Version: f.version, Tokens: f.tokens, Counted: counted.Truncate(time.Millisecond)}}
	return c, err
}

func buildLeave(ctx context.Context, f *changeFlags, _ *hsm.DomainState) (operator.Command, error) {
	m, err := f.target(ctx)
	return operator.Command{Kind: operator.LeaveDomain, Target: operator.FingerprintOf(m.Signing)}, err
}

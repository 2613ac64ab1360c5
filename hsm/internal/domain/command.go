package domain

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// Errors of commands, for errors.Is.
var (
	ErrCommand = errors.New("domain: command refused")
	ErrQuorum  = errors.New("domain: the signatures satisfy no quorum rule")
	ErrStale   = errors.New("domain: not of the newest state")
)

// Command asks one module for the successor of a state. Which fields each kind reads:
//
//	CreateDomain   Name, Members (the first, Target among them), Signers, Rules, Rotation, Threshold; State 0
//	ModifyMembers  Members: the whole new list
//	ModifySigners  Signers: the whole new list; Threshold, which goes with a change of operators; Rules, none: as they are
//	ModifyRules    Rules, Rotation
//	RotateKeys     nothing
//	ActivateKey    Version
//	DropKey        Version; Statement
//	LeaveDomain    Target: the module that erases itself; it stays listed until ModifyMembers removes it
//	RecoverDomain  Members (the new first one, Target among them), Shares, Threshold
//	RestoreKeys    Keys
//
// What a kind does not read is zero.
type Command struct {
	Kind    CommandKind
	Domain  [idSize]byte // zeros: CreateDomain
	State   uint64       // the number of the state that it applies to
	Parent  [32]byte     // Hash of that state
	Target  Fingerprint  // the module that may run it; zeros: any member
	Expires time.Time

	Name      string
	Members   []HSM
	Signers   []Principal
	Rules     []Rule
	Rotation  time.Duration
	Threshold uint8 // how many operators' shares recover the domain; at least two where there are two operators
	Version   uint32
	Statement Statement
	Shares    [][]byte  // each an operator's share, encrypted to Target's agreement key
	Keys      []KeyInfo // as the token of a backup has them: see State.Lost
}

// Statement is a host's word that no token needs a domain key any more; the host's signature of the command covers it.
type Statement struct {
	Version uint32    // of the domain key
	Tokens  uint64    // found under it: zero, or the command is refused
	Counted time.Time // when the count was complete
}

// Bounds of a command. A domain token has it inside, and a store takes 256 KiB.
const (
	MaxCommand    = 128 << 10 // bytes, with all signatures
	signatureRoom = 104       // ECDSA P-384, ASN.1
	maxShare      = 2048
)

// A signed command. All fields are in every command; n is the length of its content; times are milliseconds since 1970; text is u8 length ‖ bytes, bytes are
// u16 length ‖ bytes, a list is u8 count ‖ each; members, signers and rules are encoded as in a state.
//
//	offset  size  what
//	0       8     "trentcmd"
//	8       2     0001, the version of this format
//	10      4     n
//	14      1     kind
//	15      16    domain; zeros at the creation
//	31      8     number of the state that it applies to
//	39      32    hash of that state
//	71      32    target; zeros: any member
//	103     8     time of expiry
//	111           text name ‖ list of members ‖ list of signers ‖ list of rules
//	              u64 rotation, nanoseconds ‖ u8 threshold ‖ u32 version
//	              statement: u32 version ‖ u64 tokens ‖ time counted
//	              list of shares, each bytes
//	              list of domain keys, as in a state
//	14+n    1     number of signatures
//	15+n          each: 32 bytes fingerprint of the signer ‖ bytes ECDSA P-384 signature (ASN.1), by fingerprint
//
// A signature is over SHA-384 of "trent domain command" ‖ offsets 0 to 13+n. Without signatures the command is a proposal.
const (
	commandMagic   = "trentcmd"
	commandVersion = 1
	commandHeader  = 14
	commandLabel   = "trent domain command"
)

// Encode is the command without signatures; its lists are sorted in place. Error: ErrCommand for what no module would do in
// any state.
func (c *Command) Encode() ([]byte, error) {
	c.sort()
	if err := c.check(); err != nil {
		return nil, err
	}
	b := append(c.appendBody(nil), 0)
	if len(b)+MaxSigners*(len(Fingerprint{})+2+signatureRoom) > MaxCommand {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrCommand, MaxCommand)
	}
	return b, nil
}

func (c *Command) appendBody(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, commandMagic...)
	dst = binary.BigEndian.AppendUint16(dst, commandVersion)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = append(dst, byte(c.Kind))
	dst = append(dst, c.Domain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, c.State)
	dst = append(dst, c.Parent[:]...)
	dst = append(dst, c.Target[:]...)
	dst = appendTime(dst, c.Expires)
	dst = appendLabel(dst, c.Name)
	dst = append(dst, byte(len(c.Members)))
	for i := range c.Members {
		dst = c.Members[i].appendTo(dst)
	}
	dst = append(dst, byte(len(c.Signers)))
	for i := range c.Signers {
		dst = c.Signers[i].appendTo(dst)
	}
	dst = append(dst, byte(len(c.Rules)))
	for i := range c.Rules {
		dst = c.Rules[i].appendTo(dst)
	}
	dst = binary.BigEndian.AppendUint64(dst, uint64(c.Rotation))
	dst = append(dst, c.Threshold)
	dst = binary.BigEndian.AppendUint32(dst, c.Version)
	dst = binary.BigEndian.AppendUint32(dst, c.Statement.Version)
	dst = binary.BigEndian.AppendUint64(dst, c.Statement.Tokens)
	dst = appendTime(dst, c.Statement.Counted)
	dst = append(dst, byte(len(c.Shares)))
	for _, share := range c.Shares {
		dst = appendShort(dst, share)
	}
	dst = appendKeys(dst, c.Keys)
	binary.BigEndian.PutUint32(dst[start+10:], uint32(len(dst)-start-commandHeader))
	return dst
}

// ParseCommand reads a command and its signatures, which it does not verify. Error: ErrCommand.
func ParseCommand(signed []byte) (*Command, []Signature, error) {
	body, rest, err := splitCommand(signed)
	if err != nil {
		return nil, nil, err
	}
	c, ok := readCommand(body[commandHeader:])
	if !ok {
		return nil, nil, fmt.Errorf("%w: its content is damaged: get it again from whoever proposed it", ErrCommand)
	}
	if err := c.check(); err != nil {
		return nil, nil, err
	}
	signatures, ok := readSignatures(rest)
	if !ok {
		return nil, nil, fmt.Errorf("%w: its signatures are cut off or damaged: get them again from the signers", ErrCommand)
	}
	return c, signatures, nil
}

// splitCommand gives what is signed and what follows it.
func splitCommand(signed []byte) (body, rest []byte, err error) {
	switch {
	case len(signed) > MaxCommand:
		return nil, nil, fmt.Errorf("%w: more than %d bytes", ErrCommand, MaxCommand)
	case len(signed) < commandHeader || string(signed[:len(commandMagic)]) != commandMagic:
		return nil, nil, fmt.Errorf("%w: this is no command file", ErrCommand)
	}
	if v := binary.BigEndian.Uint16(signed[8:]); v != commandVersion {
		return nil, nil, fmt.Errorf("%w: it has format %d, this program knows %d: use the version of trent that wrote it", ErrCommand, v, commandVersion)
	}
	n := binary.BigEndian.Uint32(signed[10:])
	if uint64(n) > uint64(len(signed)-commandHeader) {
		return nil, nil, fmt.Errorf("%w: it is cut off: get it again from whoever proposed it", ErrCommand)
	}
	return signed[:commandHeader+n], signed[commandHeader+n:], nil
}

func readCommand(content []byte) (*Command, bool) {
	r := &reader{b: content}
	c := &Command{Kind: CommandKind(r.u8())}
	c.Domain = r.id()
	c.State = r.u64()
	c.Parent = r.hash()
	c.Target = r.hash()
	c.Expires = r.time()
	c.Name = string(r.take(int(r.u8())))
	c.Members = list(r, MaxMembers, (*reader).member, func(h *HSM) Fingerprint { return FingerprintOf(h.Signing) })
	c.Signers = list(r, MaxSigners, (*reader).principal, func(p *Principal) Fingerprint { return FingerprintOf(p.Signing) })
	c.Rules = list(r, int(lastCommandKind), (*reader).rule, func(q *Rule) Fingerprint { return Fingerprint{byte(q.Command)} })
	c.Rotation = time.Duration(r.u64())
	c.Threshold = r.u8()
	c.Version = r.u32()
	c.Statement = Statement{Version: r.u32(), Tokens: r.u64(), Counted: r.time()}
	for range r.count(int(r.u8()), MaxSigners) {
		c.Shares = append(c.Shares, bytes.Clone(r.take(int(r.u16()))))
	}
	c.Keys = r.keys()
	return c, !r.bad && len(r.b) == 0
}

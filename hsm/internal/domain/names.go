package domain

import "fmt"

// String is the role's word, as the command line takes it.
func (r Role) String() string {
	switch r {
	case Operator:
		return "operator"
	case ServiceHost:
		return "host"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

var commandNames = [lastCommandKind + 1]string{
	CreateDomain:  "create-domain",
	ModifyMembers: "modify-members",
	ModifySigners: "modify-signers",
	ModifyRules:   "modify-rules",
	RotateKeys:    "rotate-keys",
	ActivateKey:   "activate-key",
	DropKey:       "drop-key",
	LeaveDomain:   "leave-domain",
	RecoverDomain: "recover-domain",
	RestoreKeys:   "restore-keys",
}

// String is the command's word, as the command line takes it.
func (k CommandKind) String() string {
	if k > 0 && k <= lastCommandKind {
		return commandNames[k]
	}
	return fmt.Sprintf("command %d", uint8(k))
}

var phaseNames = [...]string{Pending: "pending", Active: "active", Deactivated: "deactivated", Exposed: "exposed"}

// String is the phase's word.
func (p Phase) String() string {
	if p > 0 && int(p) < len(phaseNames) {
		return phaseNames[p]
	}
	return fmt.Sprintf("phase %d", uint8(p))
}

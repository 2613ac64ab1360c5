package operation

import (
	"trent/fastpath/keyring"
	"trent/fastpath/wire"
)

// Row is one operation as others see it.
type Row struct {
	Name         string `json:"name"`
	Implemented  bool   `json:"implemented"`
	Aliases      bool   `json:"acceptsAliases"`
	Write        bool   `json:"writes"`
	SafeToRetry  bool   `json:"safeToRetry"` // a second time changes nothing more and is answered alike
	CrossAccount bool   `json:"crossAccount"`

	// Permissions are what its caller must be allowed to do, in the order in which they are decided.
	Permissions []Permission `json:"permissions"`

	// States is what it answers for a key of each state: "ok" or the exception; nil for operations that work on no
	// key. Usage, origin and spec of the key may refuse it besides.
	States map[string]string `json:"keyStates,omitempty"`

	// Unused are members of the request that it takes and does not act on, with the reason.
	Unused map[string]string `json:"-"`
}

// Permission is an action that an operation needs on a resource: a key, by its policy, identity policies and grants; or, by
// identity policies alone, what is marked so.
type Permission struct {
	Action      string `json:"action"`
	On          string `json:"on"`
	Conditional bool   `json:"conditional,omitempty"` // only where the request gives tags
}

// Rows lists the operations in alphabetical order, without the one of number 0, which is none.
func Rows() []Row {
	rows := make([]Row, 0, wire.NumOperations)
	table := newTable()
	for op := wire.OperationNone + 1; op < wire.NumOperations; op++ {
		r := &table[op]
		row := Row{Name: op.String(), Implemented: r.run != nil}
		if row.Implemented {
			row.Aliases, row.Write, row.CrossAccount = r.aliases, r.write, r.foreignKeys
			row.SafeToRetry = !r.write || repeatable[op]
			row.Unused = unused[op]
			for _, n := range r.needs {
				row.Permissions = append(row.Permissions, Permission{Action: n.action.String(), On: resourceNames[n.on], Conditional: n.when != nil})
			}
			if r.key != nil || r.class != anyState {
				row.States = statesOf(r.class)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// repeatable are the writes that say what is to be, not what is to change: done again, they find it so.
var repeatable = map[wire.Operation]bool{
	wire.OperationDeleteImportedKeyMaterial: true,
	wire.OperationDisableKey:                true,
	wire.OperationDisableKeyRotation:        true,
	wire.OperationEnableKey:                 true,
	wire.OperationEnableKeyRotation:         true,
	wire.OperationImportKeyMaterial:         true, // the same material again
	wire.OperationPutKeyPolicy:              true,
	wire.OperationTagResource:               true,
	wire.OperationUntagResource:             true,
	wire.OperationUpdateAlias:               true,
	wire.OperationUpdateKeyDescription:      true,
}

// unused are the members of requests that an operation does not act on. A test holds this against the source: a
// member that no handler reads must stand here.
var unused = map[wire.Operation]map[string]string{
	wire.OperationDescribeKey: {},
	wire.OperationListKeyPolicies: {
		"Limit": "there is one name to list",
	},
}

// allStates in the order of the developer's guide.
var allStates = []keyring.State{
	keyring.Enabled, keyring.Disabled, keyring.PendingDeletion, keyring.PendingReplicaDeletion, keyring.PendingImport,
	keyring.Unavailable, keyring.Creating, keyring.Updating,
}

func statesOf(class stateClass) map[string]string {
	all := make(map[string]string, len(allStates))
	for _, s := range allStates {
		switch stateTable[class][s] {
		case allowed:
			all[s.String()] = "ok"
		case isDisabled:
			all[s.String()] = wire.CodeDisabledException.String()
		case isUnsupported:
			all[s.String()] = wire.CodeUnsupportedOperationException.String()
		default:
			all[s.String()] = wire.CodeKMSInvalidStateException.String()
		}
	}
	return all
}

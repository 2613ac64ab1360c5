package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
)

// Prefixes of unique ids (IAM User Guide, "IAM identifiers").
const (
	userPrefix  = "AIDA"
	groupPrefix = "AGPA"
	rolePrefix  = "AROA"
)

// uniqueIDLength is the length of the ids that IAM gives.
const uniqueIDLength = 21

// uniqueID makes the id of a principal. It follows from who the principal is, so that a new data directory gives the same
// ids; generation counts how often one of the name was deleted before.
func uniqueID(prefix, partition, account, path, name string, generation int) string {
	h := sha256.Sum256([]byte(strings.Join([]string{prefix, partition, account, path, name, strconv.Itoa(generation)}, "\x00")))
	return prefix + base32.StdEncoding.EncodeToString(h[:])[:uniqueIDLength-len(prefix)]
}

package quota

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Group is one request quota: what counts in it shares its rate, within one account and Region (CustomKeyStore: within
// one custom key store, whoever uses it). AWS KMS Developer Guide, "Request quotas".
type Group uint8

// Shared groups, then one for each spec of data key pairs, then one for each other operation (ManagementGroup).
const (
	NoGroup Group = iota
	Symmetric
	RSA
	ECC // and SM2
	MLDSA
	MLKEM // not published: as ML-DSA (chosen)
	CustomKeyStore
	PairP256
	PairP384
	PairP521
	PairSecp256k1
	PairEd25519
	PairRSA2048
	PairRSA3072
	PairRSA4096
	PairSM2
	firstManagement
)

// groupNames are the names in settings and metrics.
var groupNames = [firstManagement]string{
	"", "symmetric", "rsa", "ecc", "ml_dsa", "ml_kem", "custom_key_store", "pair_ecc_nist_p256", "pair_ecc_nist_p384", "pair_ecc_nist_p521",
	"pair_ecc_secg_p256k1", "pair_ecc_nist_edwards25519", "pair_rsa_2048", "pair_rsa_3072", "pair_rsa_4096", "pair_sm2",
}

// managementRates are the rates of operations that have a quota of their own, in requests a second.
var managementRates = map[float64]string{
	1: "GetParametersForImport",
	5: "CancelKeyDeletion ConnectCustomKeyStore CreateAlias CreateCustomKeyStore CreateKey DeleteCustomKeyStore DescribeCustomKeyStores " +
		"DisableKey DisableKeyRotation DisconnectCustomKeyStore EnableKey GetKeyLastUsage ReplicateKey RotateKeyOnDemand UntagResource " +
		"UpdateAlias UpdateCustomKeyStore UpdateKeyDescription UpdatePrimaryRegion",
	10:   "TagResource",
	15:   "DeleteAlias DeleteImportedKeyMaterial EnableKeyRotation ImportKeyMaterial PutKeyPolicy ScheduleKeyDeletion",
	50:   "CreateGrant RetireGrant RevokeGrant",
	100:  "ListGrants ListKeyPolicies ListKeyRotations ListRetirableGrants",
	500:  "ListAliases ListKeys",
	1000: "GetKeyPolicy GetKeyRotationStatus",
	2000: "DescribeKey GetPublicKey ListResourceTags",
}

// operationGroup is an operation with a quota of its own.
type operationGroup struct {
	name string
	rate float64
}

// operationGroups in alphabetical order; firstManagement is the first one's group.
var operationGroups = func() []operationGroup {
	var all []operationGroup
	for rate, names := range managementRates {
		for _, name := range strings.Fields(names) {
			all = append(all, operationGroup{name, rate})
		}
	}
	slices.SortFunc(all, func(a, b operationGroup) int { return strings.Compare(a.name, b.name) })
	return all
}()

// NumGroups is the number of groups, NoGroup included.
var NumGroups = int(firstManagement) + len(operationGroups)

// ManagementGroup is the group of an operation that has a quota of its own, NoGroup for all others.
func ManagementGroup(operation string) Group {
	i, ok := slices.BinarySearchFunc(operationGroups, operation, func(g operationGroup, name string) int { return strings.Compare(g.name, name) })
	if !ok {
		return NoGroup
	}
	return firstManagement + Group(i)
}

// String is the group's name in settings and metrics: of an operation's own quota the operation.
func (g Group) String() string {
	switch {
	case g < firstManagement:
		return groupNames[g]
	case int(g) < NumGroups:
		return operationGroups[g-firstManagement].name
	}
	return ""
}

// groupNamed finds a group by its name, NoGroup if there is none.
func groupNamed(name string) Group {
	for g := range NumGroups {
		if g != 0 && strings.EqualFold(Group(g).String(), name) {
			return Group(g)
		}
	}
	return NoGroup
}

var (
	largeRegions  = []string{"us-east-1", "us-west-2", "eu-west-1"}
	mediumRegions = []string{"us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2"}
)

// publishedRate is the service's default of a group in a Region, in requests a second; below 1 for the slowest.
func publishedRate(g Group, region string) float64 {
	if g >= firstManagement {
		return operationGroups[g-firstManagement].rate
	}
	china := strings.HasPrefix(region, "cn-")
	switch g {
	case Symmetric:
		switch {
		case slices.Contains(largeRegions, region):
			return 100_000
		case slices.Contains(mediumRegions, region):
			return 20_000
		}
		return 10_000
	case RSA, ECC, MLDSA, MLKEM:
		return 1000
	case CustomKeyStore:
		return 1800
	case PairSM2:
		return 25
	case PairRSA2048:
		return pick(china, 1, 20)
	case PairRSA3072:
		return pick(china, 0.5, 4)
	case PairRSA4096:
		return pick(china, 0.1, 1)
	}
	return 100 // the pairs on curves
}

func pick(china bool, there, elsewhere float64) float64 {
	if china {
		return there
	}
	return elsewhere
}

// Requests are the request quotas that a server holds. The zero value holds none.
type Requests struct {
	On    bool
	Scale float64           // of all published rates; 0 counts as 1
	Rates map[Group]float64 // in place of the published ones, in requests a second, not scaled; infinite ones are off
}

// Rate is the rate of a group in a Region in requests a second; held is false where nothing limits it.
func (q *Requests) Rate(g Group, region string) (rate float64, held bool) {
	if !q.On || g == NoGroup {
		return 0, false
	}
	if rate, ok := q.Rates[g]; ok {
		return rate, rate != Unlimited
	}
	rate = publishedRate(g, region)
	if q.Scale > 0 {
		rate *= q.Scale
	}
	return rate, true
}

// ParseRequests reads request quotas as settings have them: off or aws, and after it any of scale=FACTOR and
// GROUP=RATE, separated by commas: "aws,scale=0.01,rsa=50,CreateKey=off".
func ParseRequests(text string) (Requests, error) {
	var q Requests
	for i, part := range strings.Split(text, ",") {
		part = strings.TrimSpace(part)
		name, value, override := strings.Cut(part, "=")
		switch {
		case override:
			if err := q.set(name, value); err != nil {
				return q, err
			}
		case i == 0 && (part == "off" || part == "aws"):
			q.On = part == "aws"
		default:
			return q, fmt.Errorf("request quotas: %q is none of off, aws, scale=FACTOR, GROUP=RATE", part)
		}
	}
	return q, nil
}

func (q *Requests) set(name, value string) error {
	rate, err := strconv.ParseFloat(value, 64)
	wrong := err != nil || !(rate > 0 && rate <= 1e9)
	if name == "scale" {
		if wrong {
			return fmt.Errorf("request quotas: scale is a number above 0, not %q", value)
		}
		q.Scale, q.On = rate, true
		return nil
	}
	g := groupNamed(name)
	switch {
	case g == NoGroup:
		return fmt.Errorf("request quotas: there is no quota %q; they are %s, and operations such as CreateKey", name, strings.Join(groupNames[1:], ", "))
	case value == "off":
		rate = Unlimited
	case wrong:
		return fmt.Errorf("request quotas: %s is a rate in requests a second above 0, or off, not %q", name, value)
	}
	if q.Rates == nil {
		q.Rates = map[Group]float64{}
	}
	q.Rates[g], q.On = rate, true
	return nil
}

// String is the quotas as ParseRequests reads them.
func (q Requests) String() string {
	if !q.On {
		return "off"
	}
	words := []string{"aws"}
	if q.Scale > 0 && q.Scale != 1 {
		words = append(words, "scale="+strconv.FormatFloat(q.Scale, 'g', -1, 64))
	}
	for g := range NumGroups {
		rate, ok := q.Rates[Group(g)]
		switch {
		case !ok:
		case rate == Unlimited:
			words = append(words, Group(g).String()+"=off")
		default:
			words = append(words, Group(g).String()+"="+strconv.FormatFloat(rate, 'g', -1, 64))
		}
	}
	return strings.Join(words, ",")
}

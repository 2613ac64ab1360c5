package authz

import "strings"

// comparison is how a condition compares one value of the request with one of the policy.
type comparison uint8

const (
	compareText comparison = iota + 1
	compareFolded
	compareLike
	compareARN
	compareNumber
	compareDate
	compareBool
	compareBinary
	compareIP
	testNull
)

// order is what a number or a date of the request must be to the policy's.
type order uint8

const (
	equal order = iota
	less
	lessOrEqual
	greater
	greaterOrEqual
)

// quantifier is the set operator before an operator's name.
type quantifier uint8

const (
	unquantified quantifier = iota
	forAllValues
	forAnyValue
)

// operator is a condition operator (IAM User Guide, "IAM JSON policy elements: Condition operators").
type operator struct {
	comparison comparison
	order      order
	negated    bool
	ifExists   bool
	quantifier quantifier
}

var operators = map[string]operator{
	"stringequals":              {comparison: compareText},
	"stringnotequals":           {comparison: compareText, negated: true},
	"stringequalsignorecase":    {comparison: compareFolded},
	"stringnotequalsignorecase": {comparison: compareFolded, negated: true},
	"stringlike":                {comparison: compareLike},
	"stringnotlike":             {comparison: compareLike, negated: true},
	"arnequals":                 {comparison: compareARN},
	"arnlike":                   {comparison: compareARN},
	"arnnotequals":              {comparison: compareARN, negated: true},
	"arnnotlike":                {comparison: compareARN, negated: true},
	"numericequals":             {comparison: compareNumber},
	"numericnotequals":          {comparison: compareNumber, negated: true},
	"numericlessthan":           {comparison: compareNumber, order: less},
	"numericlessthanequals":     {comparison: compareNumber, order: lessOrEqual},
	"numericgreaterthan":        {comparison: compareNumber, order: greater},
	"numericgreaterthanequals":  {comparison: compareNumber, order: greaterOrEqual},
	"dateequals":                {comparison: compareDate},
	"datenotequals":             {comparison: compareDate, negated: true},
	"datelessthan":              {comparison: compareDate, order: less},
	"datelessthanequals":        {comparison: compareDate, order: lessOrEqual},
	"dategreaterthan":           {comparison: compareDate, order: greater},
	"dategreaterthanequals":     {comparison: compareDate, order: greaterOrEqual},
	"bool":                      {comparison: compareBool},
	"binaryequals":              {comparison: compareBinary},
	"ipaddress":                 {comparison: compareIP},
	"notipaddress":              {comparison: compareIP, negated: true},
	"null":                      {comparison: testNull},
}

// operatorNamed finds an operator by its name with the set operator before it and IfExists after it, all without regard
// to case. Null has neither.
func operatorNamed(name string) (operator, bool) {
	name = strings.ToLower(name)
	quantified := unquantified
	if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		name, quantified = rest, forAllValues
	} else if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		name, quantified = rest, forAnyValue
	}
	name, ifExists := strings.CutSuffix(name, "ifexists")
	op, ok := operators[name]
	if op.comparison == testNull && (ifExists || quantified != unquantified) {
		return operator{}, false
	}
	op.ifExists, op.quantifier = ifExists, quantified
	return op, ok
}

// compare tells whether a number or date that is before (-1), at (0) or after (1) the policy's is what was asked for.
func (o order) compare(sign int) bool {
	switch o {
	case less:
		return sign < 0
	case lessOrEqual:
		return sign <= 0
	case greater:
		return sign > 0
	case greaterOrEqual:
		return sign >= 0
	default:
		return sign == 0
	}
}

package traffic

import "math"

// toolModels are what people and pipelines run.
func toolModels() []Model {
	return []Model{sops(), terraform(), cspm(), codeSigning()}
}

func sops() Model {
	return Model{
		Name: "sops", Service: "application", Title: "Files encrypted with SOPS",
		Formula: "run: Decrypt a file, without a cache; edit: Decrypt + Encrypt",
		Source:  "getsops/sops issues 885 and 1079",
		Inputs: []Input{
			{Name: "runs", Kind: RateInput, Text: "runs, such as of a pipeline"},
			{Name: "files", Kind: CountInput, Default: "1", Text: "encrypted files that each run reads"},
			{Name: "edits", Kind: RateInput, Text: "files edited"},
		},
		Assumptions: []Assumption{{"edits", "an edit is counted as Decrypt and Encrypt; some versions make a data key instead"}},
		terms: func(in *inputs, out *terms) {
			out.call("Decrypt", in.n("runs")*in.n("files"), "%v/s runs × %v files", in.n("runs"), in.n("files"))
			out.call("Decrypt", in.n("edits"), "%v/s edits × 1", in.n("edits"))
			out.call("Encrypt", in.n("edits"), "%v/s edits × 1", in.n("edits"))
		},
	}
}

func terraform() Model {
	return Model{
		Name: "terraform", Service: "application", Title: "Refreshes of keys by Terraform",
		Formula: "refresh: DescribeKey + GetKeyPolicy + GetKeyRotationStatus + ListResourceTags a key, ListAliases an alias",
		Source:  "terraform-provider-aws issues 43671 and 20588, and recorded refreshes",
		Inputs: []Input{
			{Name: "keys", Kind: CountInput, Default: "1", Text: "keys in the state"},
			{Name: "aliases", Kind: CountInput, Default: "0", Text: "aliases in the state"},
			{Name: "refreshes", Kind: RateInput, Text: "plans and applies, all day"},
			{Name: "runs", Kind: CountInput, Text: "refreshes that start together, such as of a nightly drift check"},
			{Name: "within", Kind: DurationInput, Default: "60s", Least: 1, Text: "how long they take"},
			{Name: "at", Kind: ClockInput, Default: "02:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		Assumptions: []Assumption{{"calls", "the calls of a refresh are seen in users' reports, not documented; a creation polls the same ones until they agree, which is not counted"}},
		terms: func(in *inputs, out *terms) {
			each := func(op string, count float64, what string) {
				out.call(op, in.n("refreshes")*count, "%v/s refreshes × %v "+what, in.n("refreshes"), count)
				out.storm(op, in, in.n("runs")*count, in.d("within"), "%v refreshes × %v "+what, in.n("runs"), count)
			}
			for _, op := range []string{"DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags"} {
				each(op, in.n("keys"), "keys")
			}
			each("ListAliases", in.n("aliases"), "aliases")
		},
	}
}

// pageSize is the number of keys that ListKeys returns unless asked for more (AWS KMS API reference, ListKeys).
const pageSize = 100

func cspm() Model {
	return Model{
		Name: "cspm", Service: "application", Title: "Scans of all keys by a security or clean-up tool",
		Formula: "scan: ListKeys a page; DescribeKey + GetKeyPolicy + GetKeyRotationStatus + ListResourceTags + ListGrants a key",
		Source:  "ekristen/aws-nuke issue 663",
		Inputs: []Input{
			{Name: "keys", Kind: CountInput, Default: "1", Text: "keys in the account and Region"},
			{Name: "within", Kind: DurationInput, Default: "60s", Least: 1, Text: "how long a scan takes"},
			{Name: "at", Kind: ClockInput, Default: "03:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		Assumptions: []Assumption{{"calls", "tools differ; these are the calls that such a scan needs to see policy, rotation, tags and grants"}},
		terms: func(in *inputs, out *terms) {
			keys := in.n("keys")
			out.storm("ListKeys", in, math.Ceil(keys/pageSize), in.d("within"), "%v keys ÷ %v a page", keys, float64(pageSize))
			for _, op := range []string{"DescribeKey", "GetKeyPolicy", "GetKeyRotationStatus", "ListResourceTags", "ListGrants"} {
				out.storm(op, in, keys, in.d("within"), "%v keys × 1", keys)
			}
		},
	}
}

func codeSigning() Model {
	return Model{
		Name: "code-signing", Service: "application", Title: "Artefacts signed under an asymmetric key",
		Formula: "artefact: DescribeKey + GetPublicKey + Sign",
		Source:  "ebourg/jsign issue 94",
		Inputs: []Input{
			{Name: "artefacts", Kind: RateInput, Text: "artefacts signed"},
			{Name: "reads", Kind: NumberInput, Default: "2", Text: "reads of the key before each signature, half of them of its public part"},
		},
		spec:        "RSA_4096",
		Assumptions: []Assumption{{"reads", "two reads a signature were counted with another provider's key service"}},
		terms: func(in *inputs, out *terms) {
			for _, op := range []string{"DescribeKey", "GetPublicKey"} {
				out.call(op, in.n("artefacts")*in.n("reads")/2, "%v/s artefacts × %v reads ÷ 2", in.n("artefacts"), in.n("reads"))
			}
			out.call("Sign", in.n("artefacts"), "%v/s artefacts × 1", in.n("artefacts"))
		},
	}
}

package traffic

// clusterModels are what keeps clusters and vaults running.
func clusterModels() []Model {
	return []Model{eksV1(), eksV2(), vaultSeal()}
}

var clusterContext = map[string]string{"aws:eks:cluster-arn": "arn:aws:eks:us-east-1:000000000000:cluster/cluster-{v}"}

func eksV1() Model {
	return Model{
		Name: "eks-secrets-v1", Service: "eks", Title: "Secrets of Kubernetes through the KMS provider v1",
		Formula: "write: Encrypt; read of what the cache of data keys lacks: Decrypt; start of an API server: Decrypt for each secret, one after the other; health probe: Encrypt + Decrypt",
		Source:  "Kubernetes documentation: \"Using a KMS provider for data encryption\"; start-up: kubernetes issue 90856",
		Inputs: []Input{
			{Name: "secrets", Kind: CountInput, Default: "0", Text: "secrets in the cluster"},
			{Name: "api_servers", Kind: CountInput, Default: "1", Least: 1, Text: "API servers"},
			{Name: "writes", Kind: RateInput, Text: "secrets written"},
			{Name: "reads", Kind: RateInput, Text: "secrets read from storage, evenly over all"},
			{Name: "cache", Kind: CountInput, Default: "1000", Text: "data keys that the API server caches"},
			{Name: "misses", Kind: RateInput, Text: "further reads of secrets whose data key is not in the cache"},
			{Name: "probe", Kind: DurationInput, Default: "0s", Text: "between two health probes of an API server; 0s for none"},
			{Name: "call_time", Kind: DurationInput, Default: "40ms", Least: 0.000001, Text: "how long one Decrypt takes, as a start makes one after the other"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when the API servers restart"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		Assumptions: []Assumption{{"start", "all API servers restart at the same time, each reading every secret serially: their calls are spread evenly over that time"}},
		terms: func(in *inputs, out *terms) {
			out.context = clusterContext
			out.call("Encrypt", in.n("writes"), "%v/s writes × 1", in.n("writes"))
			out.call("Decrypt", in.n("misses"), "%v/s misses × 1", in.n("misses"))
			if reads, secrets := in.n("reads"), in.n("secrets"); secrets > in.n("cache") {
				out.call("Decrypt", reads*(1-in.n("cache")/secrets), "%v/s reads × (1 − %v cached ÷ %v secrets)", reads, in.n("cache"), secrets)
			}
			if probe := in.n("probe"); probe > 0 {
				for _, op := range []string{"Encrypt", "Decrypt"} {
					out.steady(op, in.n("api_servers")/probe, "%v API servers ÷ %v s", in.n("api_servers"), probe)
				}
			}
			if secrets := in.n("secrets"); secrets > 0 {
				serial := seconds(min(secrets*in.n("call_time"), maxDuration))
				out.storm("Decrypt", in, secrets*in.n("api_servers"), serial, "%v API servers × %v secrets, %v s each,", in.n("api_servers"), secrets, in.n("call_time"))
			}
		},
	}
}

func eksV2() Model {
	return Model{
		Name: "eks-secrets-v2", Service: "eks", Title: "API data of Kubernetes through the KMS provider v2",
		Formula: "start of an API server or rotation: Encrypt of the seed; start elsewhere: Decrypt; status probe: Encrypt + Decrypt, whatever the number of secrets",
		Source:  "Kubernetes documentation: \"Using a KMS provider for data encryption\"; probes: kubernetes issue 127748 and aws-encryption-provider pull request 139",
		Inputs: []Input{
			{Name: "api_servers", Kind: CountInput, Default: "2", Least: 1, Text: "API servers"},
			{Name: "probe", Kind: DurationInput, Default: "20s", Least: 1, Text: "between two status probes: 1m as intended, 20s as observed, 3s when unhealthy"},
			{Name: "probe_decrypts", Kind: SwitchInput, Default: "true", Text: "the plug-in's probe also decrypts, as it does since 2025"},
			{Name: "starts", Kind: RateInput, Text: "API servers started, or seeds rotated"},
		},
		Assumptions: []Assumption{
			{"probe", "20 s is what a public thread observed; 1 minute was intended. The AWS plug-in leaves a probe out when the key was used within 30 s, which is not taken off"},
			{"seed", "a started API server decrypts the seed of the data that it reads once"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = clusterContext
			out.call("Encrypt", in.n("starts"), "%v/s starts × 1 seed", in.n("starts"))
			out.call("Decrypt", in.n("starts"), "%v/s starts × 1 seed", in.n("starts"))
			out.steady("Encrypt", in.n("api_servers")/in.n("probe"), "%v API servers ÷ %v s", in.n("api_servers"), in.n("probe"))
			if in.on("probe_decrypts") {
				out.steady("Decrypt", in.n("api_servers")/in.n("probe"), "%v API servers ÷ %v s", in.n("api_servers"), in.n("probe"))
			}
		},
	}
}

func vaultSeal() Model {
	return Model{
		Name: "vault-seal", Service: "application", Title: "Seal of Vault or OpenBao under a key (awskms seal)",
		Formula: "start: Decrypt; seal health test: Encrypt + Decrypt every 10 minutes a node (every minute when unhealthy); rotation or seal-wrapped write: Encrypt",
		Source:  "hashicorp/vault issue 22669 and the source of OpenBao",
		Inputs: []Input{
			{Name: "nodes", Kind: CountInput, Default: "1", Text: "nodes"},
			{Name: "test", Kind: DurationInput, Default: "10m", Least: 1, Text: "between two health tests: 10m, or 1m when unhealthy"},
			{Name: "starts", Kind: RateInput, Text: "nodes started"},
			{Name: "writes", Kind: RateInput, Text: "key rotations and seal-wrapped writes"},
		},
		Assumptions: []Assumption{{"test", "the interval is read from source code and users' counts, not documented"}},
		terms: func(in *inputs, out *terms) {
			for _, op := range []string{"Encrypt", "Decrypt"} {
				out.steady(op, in.n("nodes")/in.n("test"), "%v nodes ÷ %v s", in.n("nodes"), in.n("test"))
			}
			out.call("Decrypt", in.n("starts"), "%v/s starts × 1", in.n("starts"))
			out.call("Encrypt", in.n("writes"), "%v/s writes × 1", in.n("writes"))
		},
	}
}

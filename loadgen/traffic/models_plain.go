package traffic

// plainModels are applications that call the service themselves.
func plainModels() []Model {
	return []Model{tokenSigning(), healthCheck(), startupStorm(), custom()}
}

func tokenSigning() Model {
	return Model{
		Name: "token-signing", Service: "application", Title: "Tokens signed at log-in, with a key on an elliptic curve by default",
		Formula: "Sign = log-ins × tokens; Verify = checks that no public key is used for; GetPublicKey = instances ÷ refresh",
		Source:  "one Sign a token, as the API has it",
		Inputs: []Input{
			{Name: "logins", Kind: RateInput, Text: "log-ins"},
			{Name: "tokens", Kind: NumberInput, Default: "1", Text: "tokens signed at each"},
			{Name: "checks", Kind: RateInput, Text: "tokens checked by Verify"},
			{Name: "instances", Kind: CountInput, Text: "processes that fetch the public key"},
			{Name: "refresh", Kind: DurationInput, Default: "1h", Least: 1, Text: "how often each does"},
		},
		spec: "ECC_NIST_P256",
		terms: func(in *inputs, out *terms) {
			out.call("Sign", in.n("logins")*in.n("tokens"), "%v/s log-ins × %v tokens", in.n("logins"), in.n("tokens"))
			out.call("Verify", in.n("checks"), "%v/s checks × 1", in.n("checks"))
			out.steady("GetPublicKey", in.n("instances")/in.n("refresh"), "%v instances ÷ %v s", in.n("instances"), in.n("refresh"))
		},
	}
}

func healthCheck() Model {
	return Model{
		Name: "health-check", Service: "application", Title: "Health checks that use a key",
		Formula: "(Encrypt + Decrypt) a check: checkers ÷ interval",
		Source:  "Azure/kubernetes-kms pull request 77 and scality/Arsenal issue 2258",
		Inputs: []Input{
			{Name: "checkers", Kind: CountInput, Default: "1", Text: "processes that are checked, times who checks them"},
			{Name: "interval", Kind: DurationInput, Default: "10s", Least: 0.001, Text: "between two checks; 2s to 20s were seen"},
			{Name: "round_trip", Kind: SwitchInput, Default: "true", Text: "Encrypt and Decrypt; false for DescribeKey alone"},
		},
		terms: func(in *inputs, out *terms) {
			operations := []string{"Encrypt", "Decrypt"}
			if !in.on("round_trip") {
				operations = []string{"DescribeKey"}
			}
			for _, op := range operations {
				out.steady(op, in.n("checkers")/in.n("interval"), "%v checkers ÷ %v s", in.n("checkers"), in.n("interval"))
			}
		},
	}
}

func startupStorm() Model {
	return Model{
		Name: "startup-storm", Service: "application", Title: "Processes that start together and decrypt what they need",
		Formula: "processes × calls of each, within the time that the start takes",
		Source:  "kubernetes issue 90856 and secrets-store-csi-driver-provider-aws issues 136 and 359",
		Inputs: []Input{
			{Name: "processes", Kind: CountInput, Default: "1", Text: "processes, pods or functions that start"},
			{Name: "calls", Kind: NumberInput, Default: "1", Text: "Decrypts that each makes"},
			{Name: "within", Kind: DurationInput, Default: "60s", Least: 0.001, Text: "how long the start takes"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		terms: func(in *inputs, out *terms) {
			out.storm("Decrypt", in, in.n("processes")*in.n("calls"), in.d("within"), "%v processes × %v calls", in.n("processes"), in.n("calls"))
		},
	}
}

func custom() Model {
	return Model{
		Name: "custom", Service: "application", Title: "Any operations at given rates",
		Formula: "as given",
		Source:  "the user",
		Inputs: []Input{
			{Name: "calls", Kind: CallsInput, Text: "operations and their rates, such as {Decrypt: 20/s, Encrypt: 1k/h}; for GenerateDataKeyPair the spec of the cause's key is the pairs'"},
			{Name: "storm", Kind: CallsInput, Text: "operations and their rates while a storm lasts"},
			{Name: "within", Kind: DurationInput, Default: "60s", Least: 0.001, Text: "how long the storm lasts"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		terms: func(in *inputs, out *terms) {
			for _, c := range in.values["calls"].calls {
				out.call(c.operation, c.rate, "%v/s as given", c.rate)
			}
			for _, c := range in.values["storm"].calls {
				out.storm(c.operation, in, c.rate*in.n("within"), in.d("within"), "%v/s as given,", c.rate)
			}
		},
	}
}

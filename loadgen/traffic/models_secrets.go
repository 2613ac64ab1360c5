package traffic

// secretModels are stores of secrets and settings, and who reads them at start.
func secretModels() []Model {
	return []Model{secretsManager(), parameterStore(), lambda(), cloudTrail()}
}

var secretContext = map[string]string{"SecretARN": "arn:aws:secretsmanager:us-east-1:000000000000:secret:app-{v}", "SecretVersionId": "version-{v}"}

func secretsManager() Model {
	return Model{
		Name: "secrets-manager", Service: "secretsmanager", Title: "Secrets read and written (Secrets Manager)",
		Formula: "GetSecretValue: Decrypt, every call; new value: GenerateDataKey; new or changed key: GenerateDataKey + Decrypt more",
		Source:  "AWS Secrets Manager User Guide: \"Secret encryption and decryption\"",
		Inputs: []Input{
			{Name: "reads", Kind: RateInput, Text: "GetSecretValue calls that no client cache answers"},
			{Name: "instances", Kind: CountInput, Text: "processes with a client cache, or that restart"},
			{Name: "secrets", Kind: CountInput, Default: "1", Text: "secrets that each instance reads"},
			{Name: "cached_reads", Kind: RateInput, Text: "reads over all instances that go through the client cache"},
			{Name: "cache_ttl", Kind: DurationInput, Default: "1h", Least: 1, Text: "how long the client cache keeps a value"},
			{Name: "restarts", Kind: CountInput, Text: "instances that restart at once and read all their secrets"},
			{Name: "within", Kind: DurationInput, Default: "60s", Least: 1, Text: "how long the restart takes"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when they restart"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
			{Name: "writes", Kind: RateInput, Text: "values written: CreateSecret, PutSecretValue, UpdateSecret"},
			{Name: "new_keys", Kind: RateInput, Text: "secrets that get a new or another key"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = secretContext
			out.call("Decrypt", in.n("reads"), "%v/s reads × 1", in.n("reads"))
			if uses := in.n("cached_reads"); uses > 0 {
				holders := in.n("instances") * in.n("secrets")
				if holders == 0 {
					out.fail("cached_reads needs instances")
				}
				out.misses("Decrypt", 1, holders, uses, in.n("cache_ttl"), "%v instances × %v secrets, each kept for %v s, %v/s reads",
					in.n("instances"), in.n("secrets"), in.n("cache_ttl"), uses)
				if !in.given("cache_ttl") {
					out.assume("cache_ttl", "the default of the client cache, 1 hour, is recalled")
				}
			}
			out.storm("Decrypt", in, in.n("restarts")*in.n("secrets"), in.d("within"), "%v restarts × %v secrets", in.n("restarts"), in.n("secrets"))
			out.call("GenerateDataKey", in.n("writes")+in.n("new_keys"), "%v/s writes + %v/s new keys", in.n("writes"), in.n("new_keys"))
			out.call("Decrypt", in.n("new_keys"), "%v/s new keys × 1", in.n("new_keys"))
		},
	}
}

func parameterStore() Model {
	return Model{
		Name: "parameter-store", Service: "ssm", Title: "Secure parameters read and written (Systems Manager Parameter Store)",
		Formula: "standard: Encrypt a write, Decrypt a value read; advanced: GenerateDataKey a write, Decrypt a value read",
		Source:  "AWS KMS Developer Guide: \"How AWS Systems Manager Parameter Store uses AWS KMS\"",
		Inputs: []Input{
			{Name: "tier", Kind: ChoiceInput, Default: "standard", Choices: []string{"standard", "advanced"}, Text: "of the parameters"},
			{Name: "reads", Kind: RateInput, Text: "requests that read with decryption"},
			{Name: "values", Kind: NumberInput, Default: "1", Text: "secure values that a request returns, such as GetParametersByPath"},
			{Name: "writes", Kind: RateInput, Text: "values written"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{"PARAMETER_ARN": "arn:aws:ssm:us-east-1:000000000000:parameter/app-{v}"}
			out.call("Decrypt", in.n("reads")*in.n("values"), "%v/s reads × %v values", in.n("reads"), in.n("values"))
			write := "Encrypt"
			if in.choice("tier") == "advanced" {
				write = "GenerateDataKey"
			}
			out.call(write, in.n("writes"), "%v/s writes × 1", in.n("writes"))
		},
	}
}

func lambda() Model {
	return Model{
		Name: "lambda", Service: "lambda", Title: "Functions with encrypted environment variables (Lambda)",
		Formula: "cold start: Decrypt, and one more for each variable decrypted in code; creation or update: CreateGrant",
		Source:  "pattern seen in users' reports; AWS Lambda publishes no count",
		Inputs: []Input{
			{Name: "cold_starts", Kind: RateInput, Text: "execution environments started"},
			{Name: "variables", Kind: NumberInput, Default: "0", Text: "variables that the code decrypts itself at start"},
			{Name: "deploys", Kind: RateInput, Text: "functions created or updated"},
			{Name: "burst", Kind: CountInput, Text: "environments started at once"},
			{Name: "within", Kind: DurationInput, Default: "10s", Least: 1, Text: "how long the burst takes"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		Assumptions: []Assumption{{"count", "one Decrypt a start for all variables together, and one CreateGrant a deployment: no published count was found"}},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{"aws:lambda:FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:app-{v}"}
			each := 1 + in.n("variables")
			out.call("Decrypt", in.n("cold_starts")*each, "%v/s cold starts × (1 + %v variables)", in.n("cold_starts"), in.n("variables"))
			out.storm("Decrypt", in, in.n("burst")*each, in.d("within"), "%v starts × (1 + %v variables)", in.n("burst"), in.n("variables"))
			out.call("CreateGrant", in.n("deploys"), "%v/s deployments × 1", in.n("deploys"))
		},
	}
}

func cloudTrail() Model {
	return Model{
		Name: "cloudtrail", Service: "cloudtrail", Title: "Log files of a trail encrypted with SSE-KMS (CloudTrail)",
		Formula: "delivered file: GenerateDataKey, not billed to the account; file read: Decrypt; changed configuration: GenerateDataKey",
		Source:  "AWS KMS Developer Guide: \"How AWS CloudTrail uses AWS KMS\"",
		Inputs: []Input{
			{Name: "accounts", Kind: CountInput, Default: "1", Text: "accounts that the trail logs"},
			{Name: "regions", Kind: CountInput, Default: "1", Text: "Regions that it logs"},
			{Name: "period", Kind: DurationInput, Default: "5m", Least: 1, Text: "between two files of an account and Region"},
			{Name: "reads", Kind: RateInput, Text: "files read"},
			{Name: "changes", Kind: RateInput, Text: "changes of the trail's configuration"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{"aws:cloudtrail:arn": "arn:aws:cloudtrail:us-east-1:000000000000:trail/trail-{v}", s3Arn: "arn:aws:s3:::logs/{v}.json.gz"}
			if !in.given("period") {
				out.assume("period", "a file about every 5 minutes for each account and Region; busy accounts get more")
			}
			t := out.steady("GenerateDataKey", in.n("accounts")*in.n("regions")/in.n("period"), "%v accounts × %v Regions ÷ %v s", in.n("accounts"), in.n("regions"), in.n("period"))
			t.unbilled = true
			out.call("Decrypt", in.n("reads"), "%v/s read × 1", in.n("reads"))
			out.call("GenerateDataKey", in.n("changes"), "%v/s changes × 1", in.n("changes"))
		},
	}
}

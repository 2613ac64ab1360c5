package traffic

import "math"

// dataModels are tables and client-side encryption.
func dataModels() []Model {
	return []Model{dynamoDB(), encryptionSDK()}
}

func dynamoDB() Model {
	return Model{
		Name: "dynamodb", Service: "dynamodb", Title: "Tables with a customer managed or AWS managed key (DynamoDB)",
		Formula: "Decrypt once for each principal and connection, again after 5 minutes while it is active: λ ÷ (1 + λ × 300 s) a connection; without keep-alive one a request; new table: CreateGrant + GenerateDataKey + Decrypt + DescribeKey",
		Source:  "AWS KMS Developer Guide and Amazon DynamoDB Developer Guide: \"DynamoDB encryption at rest: how it works\"",
		Inputs: []Input{
			{Name: "requests", Kind: RateInput, Text: "requests to the tables"},
			{Name: "connections", Kind: CountInput, Default: "1", Least: 1, Text: "connections kept open, of all clients; each reaches a host with a cache of its own"},
			{Name: "principals", Kind: CountInput, Default: "1", Least: 1, Text: "principals that use each connection"},
			{Name: "keep_alive", Kind: SwitchInput, Default: "true", Text: "clients reuse their connections"},
			{Name: "cache", Kind: DurationInput, Default: "5m", Least: 1, Text: "how long a table key is cached"},
			{Name: "tables_created", Kind: RateInput, Text: "tables created, or given another key"},
			{Name: "cold", Kind: CountInput, Text: "connections that a restart opens at once"},
			{Name: "within", Kind: DurationInput, Default: "10s", Least: 1, Text: "how long the restart takes"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		Assumptions: []Assumption{{"connections", "that the cache is each front-end host's, so that a connection stands for one, is an answer of the service's developers in a public thread, not documentation"}},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{"aws:dynamodb:tableName": "table-{v}", "aws:dynamodb:subscriberId": "000000000000"}
			requests, holders := in.n("requests"), in.n("connections")*in.n("principals")
			if in.on("keep_alive") {
				out.misses("Decrypt", 1, holders, requests, in.n("cache"), "%v connections × %v principals, each cached for %v s, %v/s requests",
					in.n("connections"), in.n("principals"), in.n("cache"), requests)
			} else {
				out.call("Decrypt", requests, "%v/s requests × 1, as each opens a connection", requests)
			}
			out.storm("Decrypt", in, in.n("cold")*in.n("principals"), in.d("within"), "%v connections × %v principals", in.n("cold"), in.n("principals"))
			for _, op := range []string{"CreateGrant", "GenerateDataKey", "Decrypt", "DescribeKey"} {
				out.call(op, in.n("tables_created"), "%v/s tables × 1", in.n("tables_created"))
			}
		},
	}
}

func encryptionSDK() Model {
	return Model{
		Name: "encryption-sdk", Service: "application", Title: "Messages encrypted by clients (AWS Encryption SDK, DynamoDB Encryption Client)",
		Formula: "without cache: GenerateDataKey a message, Encrypt for each further wrapping key, Decrypt a message read; with cache: messages ÷ uses of a data key, " +
			"uses = min(max messages, max bytes ÷ message, 1 + those in max age) on average for each producer and context",
		Source: "AWS Encryption SDK Developer Guide: \"Data key caching\", its thresholds and its example",
		Inputs: []Input{
			{Name: "messages", Kind: RateInput, Text: "messages encrypted, over all producers"},
			{Name: "producers", Kind: CountInput, Default: "1", Least: 1, Text: "processes that encrypt, each with its cache"},
			{Name: "reads", Kind: RateInput, Text: "messages decrypted, over all consumers"},
			{Name: "wrapping_keys", Kind: CountInput, Default: "1", Least: 1, Text: "keys that each data key is encrypted under, such as one a Region"},
			{Name: "cache", Kind: SwitchInput, Default: "false", Text: "data keys are cached"},
			{Name: "max_age", Kind: DurationInput, Default: "3660d", Least: 0.001, Text: "of a cached data key"},
			{Name: "max_messages", Kind: NumberInput, Default: "4294967296", Least: 1, Text: "uses of a cached data key"},
			{Name: "max_bytes", Kind: NumberInput, Default: "0", Text: "encrypted under a cached data key; 0 for no limit"},
			{Name: "message_bytes", Kind: NumberInput, Default: "1024", Least: 1, Text: "of a message"},
			{Name: "capacity", Kind: CountInput, Default: "1M", Least: 1, Text: "entries of each cache"},
			{Name: "contexts", Kind: CountInput, Default: "1", Least: 1, Text: "encryption contexts in use, each with a data key of its own"},
		},
		terms: encryptionSDKTerms,
	}
}

func encryptionSDKTerms(in *inputs, out *terms) {
	out.context = map[string]string{"purpose": "message-{v}"}
	messages, reads, further := in.n("messages"), in.n("reads"), in.n("wrapping_keys")-1
	if !in.on("cache") {
		out.call("GenerateDataKey", messages, "%v/s messages × 1", messages)
		out.call("Encrypt", messages*further, "%v/s messages × %v further wrapping keys", messages, further)
		out.call("Decrypt", reads, "%v/s reads × 1", reads)
		return
	}
	// What share of uses finds its entry still there, where all contexts are as frequent as one another.
	kept := math.Min(in.n("capacity")/in.n("contexts"), 1)
	if kept < 1 {
		out.assume("capacity", "contexts are equally frequent, so that a full cache holds the wanted entry in capacity ÷ contexts of the cases")
	}
	entry := messages / (in.n("producers") * in.n("contexts"))
	most := in.n("max_messages")
	if limit := in.n("max_bytes"); limit > 0 {
		most = math.Min(most, math.Max(math.Floor(limit/in.n("message_bytes")), 1))
	}
	uses := capped(most, entry*in.n("max_age"))
	keys := messages * (kept/uses + 1 - kept)
	// Data keys that age out are as many by day as by night, those that are used up follow the messages: the share by
	// which calls change when messages do by a small one.
	misses := func(share float64) float64 {
		return share * (kept/capped(most, share*entry*in.n("max_age")) + 1 - kept)
	}
	follow := math.Min(math.Max((misses(1.001)-misses(0.999))/0.002/misses(1), 0), 1)
	const formula = "%v/s messages ÷ %v uses of a data key (at most %v messages, %v s at %v/s each), %v of the entries kept"
	out.call("GenerateDataKey", keys, formula, messages, uses, most, in.n("max_age"), entry, kept).follow = follow
	if further > 0 {
		out.call("Encrypt", keys*further, formula+", × %v further wrapping keys",
			messages, uses, most, in.n("max_age"), entry, kept, further).follow = follow
	}
	if reads > 0 {
		out.assume("reads", "a consumer decrypts a data key once for all messages under it")
		out.call("Decrypt", reads*(kept/uses+1-kept), "%v/s reads ÷ %v messages of a data key, %v of the entries kept", reads, uses, kept).follow = follow
	}
}

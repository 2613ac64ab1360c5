package traffic

// messageModels are queues, topics and streams.
func messageModels() []Model {
	return []Model{sqs(), sns(), kinesis()}
}

func sqs() Model {
	return Model{
		Name: "sqs", Service: "sqs", Title: "Queues encrypted with a key (SQS)",
		Formula: "R = B ÷ D × (2P + C) a queue, with B the time billed, D the data key reuse period, P producing and C consuming principals",
		Source:  "Amazon SQS Developer Guide: \"Key management\", estimating costs",
		Inputs: []Input{
			{Name: "queues", Kind: CountInput, Default: "1", Text: "queues"},
			{Name: "reuse_period", Kind: DurationInput, Default: "300s", Least: 60, Text: "data key reuse period D, from 60s to 24h"},
			{Name: "producers", Kind: CountInput, Default: "1", Text: "principals that send to each queue"},
			{Name: "consumers", Kind: CountInput, Default: "1", Text: "principals that receive from each queue"},
			{Name: "messages", Kind: RateInput, Text: "messages sent over all queues; leave out where each principal is active in every period, as the published formula has it"},
		},
		Assumptions: []Assumption{{"operations", "of the 2P + C calls, P are counted as GenerateDataKey and P + C as Decrypt, by the permissions that producers and consumers need"}},
		terms: func(in *inputs, out *terms) {
			queues, d, p, c := in.n("queues"), in.n("reuse_period"), in.n("producers"), in.n("consumers")
			if d > 86400 {
				out.fail("reuse_period is from 60s to 24h")
			}
			out.context = map[string]string{"aws:sqs:arn": "arn:aws:sqs:us-east-1:000000000000:queue-{v}"}
			out.assume("encryption context", "the name aws:sqs:arn is recalled, not read in the guide; it changes no count")
			if !in.given("messages") {
				out.steady("GenerateDataKey", queues*p/d, "%v queues ÷ %v s × P = %v", queues, d, p)
				out.steady("Decrypt", queues*(p+c)/d, "%v queues ÷ %v s × (P + C) = (%v + %v)", queues, d, p, c)
				return
			}
			// Of a principal that is rarely active, each activity is followed by a period without a call.
			uses := in.n("messages")
			out.assume("messages", "a principal fetches a key at its first activity after the last one expired, and messages spread evenly over queues and principals")
			const formula = "%v queues × %v %s, each for %v s, %v/s messages"
			out.misses("GenerateDataKey", 1, queues*p, uses, d, formula, queues, p, "producers", d, uses)
			out.misses("Decrypt", 1, queues*p, uses, d, formula, queues, p, "producers", d, uses)
			out.misses("Decrypt", 1, queues*c, uses, d, formula, queues, c, "consumers", d, uses)
		},
	}
}

func sns() Model {
	return Model{
		Name: "sns", Service: "sns", Title: "Topics encrypted with a key (SNS)",
		Formula: "(GenerateDataKey + Decrypt) a topic and publishing principal each reuse period",
		Source:  "by analogy with SQS; Amazon SNS publishes no count",
		Inputs: []Input{
			{Name: "topics", Kind: CountInput, Default: "1", Text: "topics"},
			{Name: "publishers", Kind: CountInput, Default: "1", Text: "principals that publish to each topic"},
			{Name: "reuse_period", Kind: DurationInput, Default: "300s", Least: 1, Text: "how long a data key is used"},
		},
		Assumptions: []Assumption{{"count", "one GenerateDataKey and one Decrypt a publisher and period, and a period of 5 minutes: recalled, no published count was found"}},
		terms: func(in *inputs, out *terms) {
			rate := in.n("topics") * in.n("publishers") / in.n("reuse_period")
			out.context = map[string]string{"aws:sns:topicArn": "arn:aws:sns:us-east-1:000000000000:topic-{v}"}
			for _, op := range []string{"GenerateDataKey", "Decrypt"} {
				out.steady(op, rate, "%v topics × %v publishers ÷ %v s", in.n("topics"), in.n("publishers"), in.n("reuse_period"))
			}
		},
	}
}

func kinesis() Model {
	return Model{
		Name: "kinesis", Service: "kinesis", Title: "Encrypted data streams (Kinesis)",
		Formula: "about 12 calls in 5 minutes for a stream read at its tip by one identity, of which 1 is GenerateDataKey; each further identity adds as many Decrypts",
		Source:  "Amazon Kinesis Data Streams Developer Guide: \"Costs, Regions, and Performance Considerations\"",
		Inputs: []Input{
			{Name: "streams", Kind: CountInput, Default: "1", Text: "encrypted streams"},
			{Name: "identities", Kind: CountInput, Default: "1", Least: 1, Text: "principals that read or write each stream"},
			{Name: "old_reads", Kind: RateInput, Text: "further Decrypts for reading what is older than the last key"},
		},
		Assumptions: []Assumption{{"operations", "the guide gives the total of about 12; that one is GenerateDataKey follows from the rotation every 5 minutes, that the others are Decrypt is assumed"}},
		terms: func(in *inputs, out *terms) {
			streams, identities := in.n("streams"), in.n("identities")
			out.steady("GenerateDataKey", streams/300, "%v streams × 1 ÷ 300 s", streams)
			out.steady("Decrypt", streams*(12*identities-1)/300, "%v streams × (12 × %v identities − 1) ÷ 300 s", streams, identities)
			out.call("Decrypt", in.n("old_reads"), "%v/s reads of older data", in.n("old_reads"))
		},
	}
}

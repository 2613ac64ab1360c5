package traffic_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"trent/loadgen/traffic"
	"trent/loadgen/workload"
)

// one is the flows of a single cause, given as its inputs.
func one(t *testing.T, cause string) []traffic.Flow {
	t.Helper()
	f, err := traffic.Parse("f.yaml", []byte("causes:\n  - {name: it, "+cause+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return f.Flows()
}

// of are the flows of some operations; all without any.
func of(flows []traffic.Flow, operations ...string) []traffic.Flow {
	var out []traffic.Flow
	for _, f := range flows {
		for _, op := range operations {
			if f.Operation == op {
				out = append(out, f)
			}
		}
	}
	if len(operations) == 0 {
		return flows
	}
	return out
}

const (
	day   = 24 * time.Hour
	month = 30 * day
)

// Published examples, and counts that users published. Calls are those of all operations unless some are named.
func TestPublishedExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, cause string
		over        time.Duration
		want        float64
		within      float64 // relative
		operations  []string
	}{
		{"S3: one call an object request", "model: s3, puts: 40/s, gets: 60/s", time.Second, 100, 0, nil},
		{"S3: writes are data keys", "model: s3, puts: 40/s, gets: 60/s", time.Second, 40, 0, []string{"GenerateDataKey"}},
		{"S3: a copy is both", "model: s3, copies: 3/s", time.Second, 6, 0, nil},
		{"Spark, 2,000 tasks × 25 GET/s, no bucket key: the 50,000/s quota", "model: s3, gets: 50k/s", time.Second, 50_000, 0, []string{"Decrypt"}},
		{"the same with bucket keys, 2,000 sessions of 300 s: 7/s", "model: s3, gets: 50k/s, bucket_keys: true, requesters: 2k, lifetime: 300s", time.Second, 6.67, 0.001, nil},
		{"S3 guide: bucket keys cut calls by up to 99 %", "model: s3, gets: 1k/s, bucket_keys: true, requesters: 3k", time.Second, 10, 0.02, nil},
		{"S3 guide: ten EMR nodes use ten bucket keys at the least", "model: s3, gets: 1k/s, bucket_keys: true, requesters: 10", 300 * time.Second, 10, 0.001, nil},
		{"METR/hawk: 49 million PUT a month, 147 USD at 0.03 for 10,000", "model: s3, puts: 49M/month", traffic.Month, 147 / 0.03 * 10_000, 1e-9, nil},
		{"EBS: creation and attachment", "model: ebs, creates: 1/s, attaches: 1/s", time.Second, 3, 0, nil},
		{"EBS: a grant an attachment", "model: ebs, creates: 1/s, attaches: 1/s", time.Second, 1, 0, []string{"CreateGrant"}},
		{"500 instances a minute: grants 8.3/s of 50/s", "model: ec2-launch, launches: 500/min", time.Second, 8.33, 0.001, []string{"CreateGrant"}},
		{"500 instances a minute: 8.3 × 3", "model: ec2-launch, launches: 500/min", time.Second, 25, 1e-9, nil},
		{"DynamoDB, 1,000 warm connections: 3.3/s", "model: dynamodb, requests: 1M/s, connections: 1k", time.Second, 3.33, 0.002, nil},
		{"DynamoDB without keep-alive: the request rate", "model: dynamodb, requests: 5/s, keep_alive: false", time.Second, 5, 0, nil},
		{"aws-sdk-go-v2 #2129: 17 hosts are 17 Decrypts", "model: dynamodb, cold: 17, at: '00:00', within: 1s", time.Second, 17, 0, []string{"Decrypt"}},
		{"DynamoDB: a new table", "model: dynamodb, tables_created: 1/s", time.Second, 4, 0, nil},
		{"Kinesis: 12 calls in 5 minutes", "model: kinesis", 5 * time.Minute, 12, 1e-9, nil},
		{"Kinesis: a data key a rotation", "model: kinesis", 5 * time.Minute, 1, 1e-9, []string{"GenerateDataKey"}},
		{"Kinesis: more identities multiply", "model: kinesis, identities: 4", 5 * time.Minute, 48, 1e-9, nil},
		{"SQS guide, first example: 26,784", "model: sqs, reuse_period: 300s, producers: 1, consumers: 1", 31 * day, 26_784, 1e-9, nil},
		{"SQS guide, second example, first queue: 196", "model: sqs, reuse_period: 24h, producers: 3, consumers: 1", 28 * day, 196, 1e-9, nil},
		{"SQS guide, second example, second queue: 336", "model: sqs, reuse_period: 24h, producers: 5, consumers: 2", 28 * day, 336, 1e-9, nil},
		{"SQS, 300 queues, 3P + 2C: 8/s", "model: sqs, queues: 300, producers: 3, consumers: 2", time.Second, 8, 1e-9, nil},
		{"SQS: busy principals come to the formula", "model: sqs, queues: 300, producers: 3, consumers: 2, messages: 10M/s", time.Second, 8, 0.001, nil},
		{"Secrets Manager: a Decrypt a read", "model: secrets-manager, reads: 12/s", time.Second, 12, 0, []string{"Decrypt"}},
		{"Secrets Manager: a new key validates", "model: secrets-manager, writes: 1/s, new_keys: 1/s", time.Second, 3, 0, nil},
		{"400 pods restart in 60 s × 10 secrets: 67/s", "model: secrets-manager, restarts: 400, secrets: 10, within: 60s, at: '00:00'", time.Second, 66.67, 0.001, nil},
		{"Parameter Store: GetParametersByPath of 10", "model: parameter-store, reads: 1/s, values: 10", time.Second, 10, 0, []string{"Decrypt"}},
		{"Parameter Store: standard writes encrypt", "model: parameter-store, writes: 2/s", time.Second, 2, 0, []string{"Encrypt"}},
		{"Parameter Store: advanced writes make data keys", "model: parameter-store, tier: advanced, writes: 2/s", time.Second, 2, 0, []string{"GenerateDataKey"}},
		{"CloudTrail: a file every 5 minutes", "model: cloudtrail", time.Hour, 12, 1e-9, nil},
		{"EMR CSE-KMS: one an object", "model: emr, writes: 2/s, reads: 3/s", time.Second, 5, 0, nil},
		{"Redshift: restarts decrypt", "model: redshift, creates: 1/h, restarts: 3/h", time.Hour, 5, 1e-9, nil},
		{"EKS v1: 20,000 secrets at 40 ms last 800 s", "model: eks-secrets-v1, secrets: 20k, call_time: 40ms, at: '00:00'", 800 * time.Second, 20_000, 1e-9, nil},
		{"EKS v1: serial, so 25/s", "model: eks-secrets-v1, secrets: 20k, call_time: 40ms, at: '00:00'", time.Second, 25, 1e-9, nil},
		{"kubernetes #90856: 2,000 secrets at 40 ms last 80 s", "model: eks-secrets-v1, secrets: 2k, call_time: 40ms, at: '00:00'", 80 * time.Second, 2000, 1e-9, nil},
		{"EKS v1: a cache of 1,000 holds half of 2,000 secrets", "model: eks-secrets-v1, secrets: 2k, reads: 10/s, at: '12:00'", time.Second, 5, 1e-9, nil},
		{"EKS v1: a cache larger than the secrets misses none", "model: eks-secrets-v1, secrets: 999, reads: 10/s, writes: 1/s, at: '12:00'", time.Second, 1, 1e-9, nil},
		{"EKS v2: 2 a minute and API server as intended", "model: eks-secrets-v2, api_servers: 1, probe: 1m", time.Minute, 2, 1e-9, nil},
		{"kubernetes #127748: 6 a minute as observed", "model: eks-secrets-v2, api_servers: 1", time.Minute, 6, 1e-9, nil},
		{"Vault: 288 a day and node", "model: vault-seal", day, 288, 1e-9, nil},
		{"vault #22669: 576 a day of two nodes", "model: vault-seal, nodes: 2", day, 576, 1e-9, nil},
		{"vault #22669: 17,031 in a month", "model: vault-seal, nodes: 2", month, 17_031, 0.02, nil},
		{"SOPS: a Decrypt a file", "model: sops, runs: 1/h, files: 300", time.Hour, 300, 1e-9, nil},
		{"Terraform: four calls a key, one an alias", "model: terraform, refreshes: 1/h, keys: 10, aliases: 3", time.Hour, 43, 1e-9, nil},
		{"aws-nuke #663: 1,446 keys are 15 pages and five calls each", "model: cspm, keys: 1446, at: '00:00'", time.Minute, 1446*5 + 15, 1e-9, nil},
		{"jsign #94: two reads before a signature", "model: code-signing, artefacts: 1/s", time.Second, 3, 0, nil},
		{"tokens: a Sign a log-in", "model: token-signing, logins: 1k/s", time.Second, 1000, 0, []string{"Sign"}},
		{"Encryption SDK: no cache, 500 producers at 1/s", "model: encryption-sdk, messages: 500/s, producers: 500", time.Second, 500, 0, nil},
		{"Encryption SDK guide: 5/s at 100 uses", "model: encryption-sdk, messages: 500/s, producers: 500, cache: true, max_messages: 100", time.Second, 5, 1e-9, nil},
		{"Encryption SDK guide: consumers 1,000 to 10/s", "model: encryption-sdk, messages: 500/s, producers: 500, reads: 1k/s, cache: true, max_messages: 100", time.Second, 10, 1e-9, []string{"Decrypt"}},
		{"Encryption SDK: one Encrypt for each further Region", "model: encryption-sdk, messages: 1/s, wrapping_keys: 3", time.Second, 3, 0, nil},
		{"kubernetes-kms #77: Encrypt and Decrypt every 2 s", "model: health-check, interval: 2s", time.Minute, 60, 1e-9, nil},
		{"a recorded trace: 240 calls in 10 minutes, 74 % Decrypt", "model: custom, calls: {Decrypt: 17.76/min, Encrypt: 4.2/min, GenerateDataKey: 1.92/min}", 10 * time.Minute, 240, 0.01, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := traffic.Calls(of(one(t, c.cause), c.operations...), 0, c.over)
			if math.Abs(got-c.want) > c.within*c.want+1e-9*c.want {
				t.Errorf("%v calls over %v, want %v", got, c.over, c.want)
			}
		})
	}
}

// Causes add up: the second example of the SQS guide has two queues and 532 calls.
func TestCausesAddUp(t *testing.T) {
	t.Parallel()
	f, err := traffic.Parse("f.yaml", []byte(`
causes:
  - {name: first, model: sqs, reuse_period: 24h, producers: 3, consumers: 1}
  - {name: second, model: sqs, reuse_period: 24h, producers: 5, consumers: 2}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := traffic.Calls(f.Flows(), 0, 28*day); math.Abs(got-532) > 1e-6 {
		t.Errorf("%v calls, want 532", got)
	}
	// A recorded trace has 240 calls in 10 minutes, of which 126 in one and 60 in the next: its peak minute is about six times its mean one.
	f, err = traffic.Parse("f.yaml", []byte(`
causes:
  - {name: burst, model: startup-storm, processes: 126, within: 1m, at: "00:04"}
  - {name: next, model: startup-storm, processes: 60, within: 1m, at: "00:05"}
  - {name: rest, model: custom, calls: {Encrypt: 5.4/min}}
`))
	if err != nil {
		t.Fatal(err)
	}
	from, rate := traffic.Busiest(f.Flows(), time.Minute)
	mean := traffic.Calls(f.Flows(), 0, 10*time.Minute) / 600
	if from != 4*time.Minute || math.Abs(mean-0.4) > 1e-9 || rate/mean < 5 || rate/mean > 6 {
		t.Errorf("peak minute from %v: %v times the mean of %v/s", from, rate/mean, mean)
	}
}

// The limits between which a cache works.
func TestCaches(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, cause string
		want        float64 // calls a second
	}{
		// λ = 1/s a requester, each call is followed by 300 s without: 2 ÷ (300 + 1).
		{"two requesters", "model: s3, gets: 2/s, bucket_keys: true, requesters: 2", 2.0 / 301},
		{"directory buckets are no other", "model: s3, gets: 2/s, directory: true, requesters: 2", 2.0 / 301},
		{"rare use is one call each", "model: s3, gets: 1/day, bucket_keys: true, requesters: 100", 1.0 / 86400 / (1 + 300.0/8640000)},
		{"age ends data keys first: 61 messages each", "model: encryption-sdk, messages: 1/s, cache: true, max_age: 60s, max_messages: 100", 1.0 / 61},
		{"bytes end data keys first: 10 messages each", "model: encryption-sdk, messages: 1/s, cache: true, max_messages: 100, max_bytes: 10k, message_bytes: 1k", 0.1},
		// E[min(3, 1 + N)] with N Poisson of 2: 3 − 2·e⁻² − 2·e⁻².
		{"use and age end data keys alike", "model: encryption-sdk, messages: 1/s, cache: true, max_messages: 3, max_age: 2s", 1 / (3 - 4*math.Exp(-2))},
		{"two contexts, a cache of one", "model: encryption-sdk, messages: 2/s, cache: true, max_messages: 10, contexts: 2, capacity: 1", 2 * (0.5/10 + 0.5)},
		{"a client cache of an hour", "model: secrets-manager, instances: 10, secrets: 2, cached_reads: 20/s", 20.0 / 3601},
	} {
		if got := traffic.Mean(one(t, c.cause)); math.Abs(got-c.want) > 1e-6*c.want {
			t.Errorf("%s: %v/s, want %v", c.name, got, c.want)
		}
	}
}

// What a cache answers does not grow with the day.
func TestCachedCallsFollowTheDayInPart(t *testing.T) {
	t.Parallel()
	peak := func(cause string) float64 {
		flows := one(t, cause+", day: {peak_to_mean: 2, peak_at: '12:00'}")
		return flows[0].Rate.Max() / flows[0].Rate.Mean
	}
	for cause, want := range map[string]float64{
		"model: s3, gets: 1k/s":                                    2,
		"model: s3, gets: 1k/s, bucket_keys: true":                 1 + 1.0/300_001,
		"model: s3, gets: 1/s, bucket_keys: true, requesters: 300": 1.5,
		"model: sqs": 1,
		"model: encryption-sdk, messages: 9/s, cache: true, max_age: 1s":     1.1,
		"model: encryption-sdk, messages: 9/s, cache: true, max_messages: 4": 2,
	} {
		if got := peak(cause); math.Abs(got-want) > 1e-6 {
			t.Errorf("%s: peak %v times the mean, want %v", cause, got, want)
		}
	}
}

// All calls within some hours: three times the mean in eight of them, none outside; what does not follow the day stays.
func TestHours(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		cause    string
		from, to time.Duration
		want     float64
	}{
		{"model: s3, gets: 1/s, day: {hours: '09:00-17:00'}", 9 * time.Hour, 17 * time.Hour, 86400},
		{"model: s3, gets: 1/s, day: {hours: '09:00-17:00'}", 10 * time.Hour, 10*time.Hour + time.Second, 3},
		{"model: s3, gets: 1/s, day: {hours: '09:00-17:00'}", 17 * time.Hour, 33 * time.Hour, 0},
		{"model: s3, gets: 1/s, day: {hours: '22:00-04:00'}", 0, time.Hour, 4 * 3600},
		{"model: s3, gets: 1/s, day: {hours: '22:00-04:00'}", 0, day, 86400},
		{"model: health-check, interval: 2s, day: {hours: '09:00-17:00'}", 0, time.Hour, 3600},
	} {
		if got := traffic.Calls(one(t, c.cause), c.from, c.to); math.Abs(got-c.want) > 1e-6*c.want+1e-6 {
			t.Errorf("%s from %v to %v: %v calls, want %v", c.cause, c.from, c.to, got, c.want)
		}
	}
	flows := one(t, "model: s3, gets: 10/s, day: {hours: '22:00-04:00'}")
	if n := len(arrivals(flows, 0, time.Minute, 1)); math.Abs(float64(n)-2400) > 5*math.Sqrt(2400) {
		t.Errorf("%d calls in the first minute, expected 2400", n)
	}
	if got := traffic.Mean(flows); math.Abs(got-10) > 1e-9 {
		t.Errorf("mean %v", got)
	}
}

// Every model says what it is, works with little said, labels what is not published, and calls what can be sent.
func TestModelsAreComplete(t *testing.T) {
	t.Parallel()
	some := map[string]string{"s3": "gets: 1/s", "ebs": "creates: 1/s", "ec2-launch": "fleet: 2", "rds": "creates: 1/h", "emr": "reads: 1/s", "redshift": "creates: 1/day",
		"sops": "runs: 1/h", "terraform": "runs: 2", "code-signing": "artefacts: 1/s", "token-signing": "logins: 1/s", "custom": "calls: {Decrypt: 1/s}",
		"dynamodb": "requests: 1/s", "encryption-sdk": "messages: 1/s", "secrets-manager": "reads: 1/s", "parameter-store": "reads: 1/s", "lambda": "cold_starts: 1/s",
		"eks-secrets-v1": "secrets: 10"}
	names := map[string]bool{}
	for _, m := range traffic.Models() {
		if m.Title == "" || m.Formula == "" || m.Source == "" || m.Service == "" || len(m.Inputs) == 0 || names[m.Name] {
			t.Errorf("%+v", m)
		}
		names[m.Name] = true
		cause := "model: " + m.Name
		if some[m.Name] != "" {
			cause += ", " + some[m.Name]
		}
		flows := one(t, cause)
		for _, f := range flows {
			if f.Cause != "it" || f.Caller == "" || f.Service == "" || f.Formula == "" || (f.Key == "") != !workload.UsesKey(f.Operation) {
				t.Errorf("%s: %+v", m.Name, f)
			}
		}
		compiled, err := traffic.Compile(m.Name, flows, nil)
		if err != nil || len(compiled.Workload.Mix) == 0 {
			t.Errorf("%s: %v", m.Name, err)
		}
	}
	for _, name := range []string{"sns", "lambda", "vault-seal", "eks-secrets-v2", "kinesis", "dynamodb", "rds", "terraform", "cspm"} {
		m, ok := traffic.ModelNamed(name)
		if !ok || len(m.Assumptions) == 0 {
			t.Errorf("%s: nothing is labelled as assumed", name)
		}
	}
	f, err := traffic.Parse("f.yaml", []byte("causes: [{name: b, model: s3, gets: 1/s, bucket_keys: true}]"))
	if err != nil || len(f.Causes[0].Assumptions) != 1 || !strings.Contains(f.Causes[0].Assumptions[0].Text, "not published") {
		t.Errorf("the lifetime of a bucket key is not labelled: %+v, %v", f, err)
	}
}

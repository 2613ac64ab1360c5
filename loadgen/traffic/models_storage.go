package traffic

// storageModels are object and block storage.
func storageModels() []Model {
	return []Model{s3(), ebs(), ec2(), rds(), emr(), redshift()}
}

const (
	s3Arn  = "aws:s3:arn"
	ebsID  = "aws:ebs:id"
	bucket = "arn:aws:s3:::bucket-{v}"
)

func s3() Model {
	return Model{
		Name: "s3", Service: "s3", Title: "Objects in buckets encrypted with SSE-KMS, with or without a bucket key",
		Formula: "without bucket key: GenerateDataKey = PUT + COPY + multipart uploads, Decrypt = GET + COPY + parts + completions; " +
			"with bucket key: one call a requester and key each lifetime, λ ÷ (1 + λ × lifetime) where requests are rare",
		Source: "Amazon S3 User Guide: \"Using server-side encryption with AWS KMS keys\" and \"Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys\"",
		Inputs: []Input{
			{Name: "puts", Kind: RateInput, Text: "objects written"},
			{Name: "gets", Kind: RateInput, Text: "objects read, also by HEAD with a read"},
			{Name: "copies", Kind: RateInput, Text: "objects copied within the bucket's key"},
			{Name: "multipart_uploads", Kind: RateInput, Text: "multipart uploads begun"},
			{Name: "parts", Kind: NumberInput, Default: "0", Text: "parts of a multipart upload"},
			{Name: "bucket_keys", Kind: SwitchInput, Default: "false", Text: "the buckets use a bucket key"},
			{Name: "directory", Kind: SwitchInput, Default: "false", Text: "directory buckets (S3 Express One Zone), which always use a bucket key, by sessions of lifetime"},
			{Name: "requesters", Kind: CountInput, Default: "1", Least: 1, Text: "principals that read or write; each role session counts"},
			{Name: "buckets", Kind: CountInput, Default: "1", Least: 1, Text: "buckets that each requester uses (each has its key)"},
			{Name: "lifetime", Kind: DurationInput, Default: "300s", Least: 1, Text: "how long a bucket-level key is used"},
		},
		terms: func(in *inputs, out *terms) {
			writes, reads := in.n("puts")+in.n("copies")+in.n("multipart_uploads"), in.n("gets")+in.n("copies")
			out.context = map[string]string{s3Arn: bucket + "/object-{v}"}
			if !in.on("bucket_keys") && !in.on("directory") {
				out.call("GenerateDataKey", writes, "%v/s PUT + %v/s COPY + %v/s multipart", in.n("puts"), in.n("copies"), in.n("multipart_uploads"))
				out.call("Decrypt", reads, "%v/s GET + %v/s COPY", in.n("gets"), in.n("copies"))
				if uploads, parts := in.n("multipart_uploads"), in.n("parts"); uploads > 0 {
					out.call("Decrypt", uploads*(parts+1), "%v/s multipart × (%v parts + 1 completion)", uploads, parts)
					out.assume("multipart", "one Decrypt a part and one at completion; the guide says that parts and completion need Decrypt, not how often")
				}
				return
			}
			out.context = map[string]string{s3Arn: bucket}
			if in.on("directory") {
				out.assume("lifetime", "that a session of a directory bucket lasts 5 minutes and makes the calls of one bucket-level key is recalled, not read")
			} else {
				out.assume("lifetime", "the lifetime of a bucket-level key is not published; 300 s unless given otherwise")
			}
			sessions, life := in.n("requesters")*in.n("buckets"), in.n("lifetime")
			reads += in.n("multipart_uploads") * (in.n("parts") + 1)
			if writes+reads == 0 {
				return
			}
			share := writes / (writes + reads)
			const formula = "%v requesters × %v buckets, a key each for %v s; %v of %v requests a second write"
			out.misses("GenerateDataKey", share, sessions, writes+reads, life, formula, in.n("requesters"), in.n("buckets"), life, writes, writes+reads)
			out.misses("Decrypt", 1-share, sessions, writes+reads, life, formula, in.n("requesters"), in.n("buckets"), life, writes, writes+reads)
		},
	}
}

func ebs() Model {
	return Model{
		Name: "ebs", Service: "ebs", Title: "Encrypted block volumes (EBS)",
		Formula: "creation: GenerateDataKeyWithoutPlaintext; attachment: CreateGrant + Decrypt; copied snapshot: ReEncrypt; none for each I/O",
		Source:  "AWS KMS Developer Guide: \"How Amazon Elastic Block Store (Amazon EBS) uses AWS KMS\"",
		Inputs: []Input{
			{Name: "creates", Kind: RateInput, Text: "volumes created"},
			{Name: "attaches", Kind: RateInput, Text: "volumes attached, also by starting stopped instances"},
			{Name: "snapshot_copies", Kind: RateInput, Text: "snapshots copied under another key"},
		},
		terms: func(in *inputs, out *terms) {
			volumes(out, in.n("creates"), in.n("attaches"))
			if copies := in.n("snapshot_copies"); copies > 0 {
				out.context = map[string]string{ebsID: "snap-{v}"}
				out.call("ReEncrypt", copies, "%v/s copies × 1", copies)
				out.assume("snapshot copies", "the guide names ReEncrypt or GenerateDataKeyWithoutPlaintext with grants; ReEncrypt is counted")
			}
		},
	}
}

func volumes(out *terms, creates, attaches float64) {
	out.context = map[string]string{ebsID: "vol-{v}"}
	out.call("GenerateDataKeyWithoutPlaintext", creates, "%v/s created × 1", creates)
	out.call("CreateGrant", attaches, "%v/s attached × 1", attaches)
	out.call("Decrypt", attaches, "%v/s attached × 1", attaches)
}

func ec2() Model {
	return Model{
		Name: "ec2-launch", Service: "ec2", Title: "Instances launched with encrypted volumes",
		Formula: "launches × volumes × (GenerateDataKeyWithoutPlaintext + CreateGrant + Decrypt)",
		Source:  "AWS KMS Developer Guide: \"How Amazon EBS uses AWS KMS\", applied to each volume of a launch",
		Inputs: []Input{
			{Name: "launches", Kind: RateInput, Text: "instances launched all along"},
			{Name: "volumes", Kind: CountInput, Default: "1", Least: 1, Text: "encrypted volumes of an instance, the root volume included"},
			{Name: "fleet", Kind: CountInput, Text: "instances launched at once, such as by a scaling schedule"},
			{Name: "within", Kind: DurationInput, Default: "1m", Least: 1, Text: "how long the launch of the fleet takes"},
			{Name: "at", Kind: ClockInput, Default: "09:00", Text: "when the fleet is launched"},
			{Name: "every", Kind: DurationInput, Default: "24h", Text: "how often; 0s for once"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{ebsID: "vol-{v}"}
			each := in.n("launches") * in.n("volumes")
			for _, op := range []string{"GenerateDataKeyWithoutPlaintext", "CreateGrant", "Decrypt"} {
				out.call(op, each, "%v/s launches × %v volumes", in.n("launches"), in.n("volumes"))
				out.storm(op, in, in.n("fleet")*in.n("volumes"), in.d("within"), "%v instances × %v volumes", in.n("fleet"), in.n("volumes"))
			}
		},
	}
}

func rds() Model {
	return Model{
		Name: "rds", Service: "rds", Title: "Encrypted databases (RDS, Aurora)",
		Formula: "creation and restore: (GenerateDataKeyWithoutPlaintext + CreateGrant + Decrypt) a volume; start and failover: (CreateGrant + Decrypt) a volume; none for each query",
		Source:  "AWS KMS Developer Guide: \"How Amazon Relational Database Service (Amazon RDS) uses AWS KMS\"",
		Inputs: []Input{
			{Name: "creates", Kind: RateInput, Text: "instances created or restored"},
			{Name: "starts", Kind: RateInput, Text: "instances started or failed over"},
			{Name: "volumes", Kind: CountInput, Default: "1", Least: 1, Text: "storage volumes of an instance"},
		},
		Assumptions: []Assumption{{"volumes", "databases are counted as their volumes would be by EBS, whose calls the guide says RDS makes"}},
		terms: func(in *inputs, out *terms) {
			creates, starts := in.n("creates")*in.n("volumes"), in.n("starts")*in.n("volumes")
			volumes(out, creates, creates+starts)
			for i := range out.list {
				out.list[i].context = map[string]string{"aws:rds:db-id": "db-{v}", ebsID: "vol-{v}"}
			}
		},
	}
}

func emr() Model {
	return Model{
		Name: "emr", Service: "emr", Title: "Objects of a cluster with client-side encryption (EMRFS CSE-KMS)",
		Formula: "GenerateDataKey = objects written, Decrypt = objects read, by the cluster; for SSE-KMS use model s3",
		Source:  "AWS KMS Developer Guide: \"How Amazon EMR uses AWS KMS\"",
		Inputs: []Input{
			{Name: "writes", Kind: RateInput, Text: "objects written"},
			{Name: "reads", Kind: RateInput, Text: "objects read"},
		},
		terms: func(in *inputs, out *terms) {
			out.call("GenerateDataKey", in.n("writes"), "%v/s written × 1", in.n("writes"))
			out.call("Decrypt", in.n("reads"), "%v/s read × 1", in.n("reads"))
		},
	}
}

func redshift() Model {
	return Model{
		Name: "redshift", Service: "redshift", Title: "Encrypted data warehouses (Redshift)",
		Formula: "creation and rotation: GenerateDataKey + Decrypt; restart: Decrypt; none for each query",
		Source:  "AWS KMS Developer Guide: \"How Amazon Redshift uses AWS KMS\"",
		Inputs: []Input{
			{Name: "creates", Kind: RateInput, Text: "clusters created, or their keys rotated"},
			{Name: "restarts", Kind: RateInput, Text: "clusters restarted"},
		},
		terms: func(in *inputs, out *terms) {
			out.context = map[string]string{"aws:redshift:arn": "arn:aws:redshift:us-east-1:000000000000:cluster:cluster-{v}", "aws:redshift:createtime": "20260101T0000Z"}
			out.call("GenerateDataKey", in.n("creates"), "%v/s created × 1", in.n("creates"))
			out.call("Decrypt", in.n("creates")+in.n("restarts"), "%v/s created + %v/s restarted", in.n("creates"), in.n("restarts"))
		},
	}
}

package authz_test

import (
	"testing"

	"trent/fastpath/authz"
)

// Each condition against what the request has; want lists for which of the rows' requests it holds.
func TestConditions(t *testing.T) {
	t.Parallel()
	type row struct {
		condition string
		key       string   // as Facts are asked
		values    []string // in the request; nil: the key is absent
		want      bool
	}
	one := func(v string) []string { return []string{v} }
	const via, keys, days, source = "kms:viaservice", "kms:encryptioncontextkeys", "kms:rotationperiodindays", "aws:sourcearn"
	const arn = "arn:aws:s3:::bucket/a/b"
	for _, c := range []row{
		{`"StringEquals":{"kms:ViaService":"s3"}`, via, one("s3"), true},
		{`"StringEquals":{"KMS:viaservice":"s3"}`, via, one("s3"), true},
		{`"stringequals":{"kms:ViaService":"s3"}`, via, one("s3"), true},
		{`"StringEquals":{"kms:ViaService":["a","s3"]}`, via, one("s3"), true},
		{`"StringEquals":{"kms:ViaService":["a","b","c","d","e","s3"]}`, via, one("s3"), true},
		{`"StringEquals":{"kms:ViaService":["a","b","c","d","e","f"]}`, via, one("s3"), false},
		{`"StringNotEquals":{"kms:ViaService":["a","b","c","d","e","s3"]}`, via, one("s3"), false},
		{`"StringEquals":{"kms:ViaService":"S3"}`, via, one("s3"), false},
		{`"StringEquals":{"kms:ViaService":"s*"}`, via, one("s3"), false},
		{`"StringEquals":{"kms:ViaService":"s*"}`, via, one("s*"), true},
		{`"StringEquals":{"kms:ViaService":"s3"}`, via, nil, false},
		{`"StringEqualsIfExists":{"kms:ViaService":"s3"}`, via, nil, true},
		{`"StringEqualsIfExists":{"kms:ViaService":"s3"}`, via, one("ec2"), false},
		{`"StringNotEquals":{"kms:ViaService":"s3"}`, via, one("s3"), false},
		{`"StringNotEquals":{"kms:ViaService":["s3","ec2"]}`, via, one("s3"), false},
		{`"StringNotEquals":{"kms:ViaService":"s3"}`, via, one("ec2"), true},
		{`"StringNotEquals":{"kms:ViaService":"s3"}`, via, nil, true},
		{`"StringNotEqualsIfExists":{"kms:ViaService":"s3"}`, via, nil, true},
		{`"StringEqualsIgnoreCase":{"kms:ViaService":"S3"}`, via, one("s3"), true},
		{`"StringEqualsIgnoreCase":{"kms:ViaService":"S*"}`, via, one("s3"), false},
		{`"StringNotEqualsIgnoreCase":{"kms:ViaService":"S3"}`, via, one("s3"), false},
		{`"StringNotEqualsIgnoreCase":{"kms:ViaService":"S3"}`, via, nil, true},
		{`"StringLike":{"kms:ViaService":"s3.*.amazonaws.com"}`, via, one("s3.us-east-1.amazonaws.com"), true},
		{`"StringLike":{"kms:ViaService":"S3.*"}`, via, one("s3.us-east-1.amazonaws.com"), false},
		{`"StringLike":{"kms:ViaService":"s?"}`, via, one("s3"), true},
		{`"StringLike":{"kms:ViaService":"s?"}`, via, one("s"), false},
		{`"StringLike":{"kms:ViaService":"s?3"}`, via, one("sé3"), true},
		{`"StringLike":{"kms:ViaService":"*??"}`, via, one("é"), false},
		{`"StringLike":{"kms:ViaService":"*"}`, via, nil, false},
		{`"StringNotLike":{"kms:ViaService":"s3*"}`, via, one("s3.x"), false},
		{`"StringNotLike":{"kms:ViaService":"s3*"}`, via, nil, true},

		{`"NumericEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), true},
		{`"NumericEquals":{"kms:RotationPeriodInDays":90}`, days, one("90"), true},
		{`"NumericEquals":{"kms:RotationPeriodInDays":"90.0"}`, days, one("90"), true},
		{`"NumericEquals":{"kms:RotationPeriodInDays":"ninety"}`, days, one("90"), false},
		{`"NumericEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("ninety"), false},
		{`"NumericEquals":{"kms:RotationPeriodInDays":"0x5A"}`, days, one("90"), false},
		{`"NumericEquals":{"kms:RotationPeriodInDays":["x",90]}`, days, one("90"), true},
		{`"NumericNotEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), false},
		{`"NumericNotEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("91"), true},
		{`"NumericNotEquals":{"kms:RotationPeriodInDays":"90"}`, days, nil, true},
		{`"NumericLessThan":{"kms:RotationPeriodInDays":"90"}`, days, one("89"), true},
		{`"NumericLessThan":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), false},
		{`"NumericLessThan":{"kms:RotationPeriodInDays":"100"}`, days, one("90"), true},
		{`"NumericLessThanEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), true},
		{`"NumericGreaterThan":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), false},
		{`"NumericGreaterThan":{"kms:RotationPeriodInDays":"90"}`, days, one("365"), true},
		{`"NumericGreaterThanEquals":{"kms:RotationPeriodInDays":"90"}`, days, one("90"), true},
		{`"NumericGreaterThanEquals":{"kms:RotationPeriodInDays":"90"}`, days, nil, false},
		{`"NumericGreaterThanEqualsIfExists":{"kms:RotationPeriodInDays":"90"}`, days, nil, true},

		{`"Bool":{"kms:MultiRegion":"true"}`, "kms:multiregion", one("true"), true},
		{`"Bool":{"kms:MultiRegion":true}`, "kms:multiregion", one("true"), true},
		{`"Bool":{"kms:MultiRegion":"TRUE"}`, "kms:multiregion", one("true"), true},
		{`"Bool":{"kms:MultiRegion":"false"}`, "kms:multiregion", one("true"), false},
		{`"Bool":{"kms:MultiRegion":["true","false"]}`, "kms:multiregion", one("true"), true},
		{`"Bool":{"kms:MultiRegion":"yes"}`, "kms:multiregion", one("true"), false},
		{`"Bool":{"kms:MultiRegion":"false"}`, "kms:multiregion", nil, false},
		{`"BoolIfExists":{"kms:MultiRegion":"false"}`, "kms:multiregion", nil, true},

		{`"BinaryEquals":{"x:y":"QmluYXJ5"}`, "x:y", one("QmluYXJ5"), true},
		{`"BinaryEquals":{"x:y":"QmluYXJ5"}`, "x:y", one("QmluYXJ6"), false},
		{`"BinaryEquals":{"x:y":"-"}`, "x:y", one("-"), false},

		{`"Null":{"kms:ViaService":"true"}`, via, nil, true},
		{`"Null":{"kms:ViaService":"true"}`, via, one("s3"), false},
		{`"Null":{"kms:ViaService":"false"}`, via, one("s3"), true},
		{`"Null":{"kms:ViaService":false}`, via, nil, false},
		{`"Null":{"kms:EncryptionContextKeys":"true"}`, keys, []string{}, true},

		{`"ArnEquals":{"aws:SourceArn":"` + arn + `"}`, source, one(arn), true},
		{`"ArnEquals":{"aws:SourceArn":"arn:aws:s3:::bucket/*"}`, source, one(arn), true},
		{`"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:*:bucket/?/b"}`, source, one(arn), true},
		{`"ArnLike":{"aws:SourceArn":"arn:aws:s3:*:bucket/a/b"}`, source, one(arn), false}, // parts are matched one by one
		{`"ArnLike":{"aws:SourceArn":"arn:aws:s3:::BUCKET/*"}`, source, one(arn), false},
		{`"ArnLike":{"aws:SourceArn":"bucket"}`, source, one("bucket"), false},
		{`"ArnLike":{"aws:SourceArn":"arn:*:*:*:*:*"}`, source, one("bucket"), false},
		{`"ArnNotEquals":{"aws:SourceArn":"arn:aws:s3:::other"}`, source, one(arn), true},
		{`"ArnNotLike":{"aws:SourceArn":"arn:aws:s3:::*"}`, source, one(arn), false},
		{`"ArnNotLike":{"aws:SourceArn":"arn:aws:s3:::*"}`, source, nil, true},
		{`"ArnLikeIfExists":{"aws:SourceArn":"arn:aws:s3:::*"}`, source, nil, true},

		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"a", "b"}, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"a", "c"}, false},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, nil, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{}, true},
		{`"ForAllValues:StringNotEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"c", "d"}, true},
		{`"ForAllValues:StringNotEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"c", "a"}, false},
		{`"ForAllValues:StringNotEquals":{"kms:EncryptionContextKeys":"a"}`, keys, nil, true},
		{`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"c", "a"}, true},
		{`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, []string{"c"}, false},
		{`"ForAnyValue:StringEquals":{"kms:EncryptionContextKeys":["a","b"]}`, keys, nil, false},
		{`"ForAnyValue:StringEqualsIfExists":{"kms:EncryptionContextKeys":["a","b"]}`, keys, nil, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{""}, true},
		{`"ForAllValues:StringEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{"", "a"}, false},
		{`"ForAnyValue:StringLike":{"kms:EncryptionContextKeys":"*"}`, keys, []string{""}, false},
		{`"StringLike":{"kms:ViaService":"*"}`, via, []string{""}, true},
		{`"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{"a", "b"}, true},
		{`"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{"a"}, false},
		{`"ForAnyValue:StringNotEquals":{"kms:EncryptionContextKeys":"a"}`, keys, nil, false},
		{`"ForAnyValue:StringLike":{"kms:EncryptionContextKeys":"a*"}`, keys, []string{"x", "ab"}, true},
		{`"StringEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{"x", "a"}, true},
		{`"StringNotEquals":{"kms:EncryptionContextKeys":"a"}`, keys, []string{"x", "a"}, false},

		// Keys with names; the names are matched without regard to case by Facts.
		{`"StringEquals":{"kms:EncryptionContext:Department":"eng"}`, "kms:encryptioncontext:department", one("eng"), true},
		{`"StringEquals":{"aws:RequestTag/a:b/c":"1"}`, "aws:requesttag/a:b/c", one("1"), true},
		{`"StringEqualsIgnoreCase":{"kms:RecipientAttestation:PCR0":"AB"}`, "kms:recipientattestation:pcr0", one("ab"), true},
		{`"StringEquals":{"aws:RequestTag:a":"1"}`, "aws:requesttag/a", one("1"), false},
		{`"StringEquals":{"kms:EncryptionContext/a":"1"}`, "kms:encryptioncontext:a", one("1"), false},
		{`"StringEquals":{"accounts.example.com:sub":"x"}`, "accounts.example.com:sub", one("x"), true},

		// All operators, and all keys of an operator, must hold.
		{`"StringEquals":{"kms:ViaService":"s3"},"StringLike":{"kms:ViaService":"s*"}`, via, one("s3"), true},
		{`"StringEquals":{"kms:ViaService":"s3"},"StringLike":{"kms:ViaService":"t*"}`, via, one("s3"), false},
		{`"StringEquals":{"kms:ViaService":"s3","kms:KeySpec":"RSA_2048"}`, via, one("s3"), false},
	} {
		r := request(user(), compiled(t, authz.KindKey, byUser+`,"Condition":{`+c.condition+`}`))
		if c.values != nil {
			r.Facts = facts{c.key: c.values}
		}
		if got := authz.Decide(r).Allowed; got != c.want {
			t.Errorf("%s with %s = %q: %v", c.condition, c.key, c.values, got)
		}
	}
}

func TestTimesAndAddresses(t *testing.T) {
	t.Parallel()
	const now, ip = "aws:currenttime", "aws:sourceip"
	for _, c := range []struct {
		condition, key, value string
		want                  bool
	}{
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateGreaterThanEquals":{"aws:CurrentTime":"2026-06-01T12:00:00Z"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-06-01T12:00:00.5Z"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateLessThanEquals":{"aws:CurrentTime":"2026-06-01T14:00:00+02:00"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-06-01T14:00+02:00"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateLessThan":{"aws:CurrentTime":"2027"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-05"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateLessThan":{"aws:CurrentTime":"2026-06-02"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateLessThan":{"aws:CurrentTime":"9999-12-31T23:59:59Z"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateEquals":{"aws:CurrentTime":"1780315200"}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateEquals":{"aws:CurrentTime":1780315200}`, now, "2026-06-01T12:00:00Z", true},
		{`"DateNotEquals":{"aws:CurrentTime":"1780315200"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateLessThan":{"aws:CurrentTime":"tomorrow"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-13-01"}`, now, "2026-06-01T12:00:00Z", false},
		{`"DateGreaterThan":{"aws:EpochTime":"1780315199"}`, "aws:epochtime", "2026-06-01T12:00:00Z", true},
		{`"NumericGreaterThan":{"aws:EpochTime":"1780315199"}`, "aws:epochtime", "2026-06-01T12:00:00Z", true},
		{`"NumericGreaterThan":{"aws:EpochTime":"1780315200"}`, "aws:epochtime", "1780315200", false},
		{`"NumericLessThan":{"kms:ValidTo":"1780315200"}`, "kms:validto", "1780315199", true},
		{`"DateLessThan":{"kms:ValidTo":"2026-06-01T12:00:00Z"}`, "kms:validto", "1780315199", true},

		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, ip, "203.0.113.7", true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.9/24"}`, ip, "203.0.113.7", true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.7"}`, ip, "203.0.113.7", true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.7"}`, ip, "203.0.113.8", false},
		{`"IpAddress":{"aws:SourceIp":["10.0.0.0/8","2001:db8::/32"]}`, ip, "2001:DB8::1", true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, ip, "::ffff:203.0.113.7", true},
		{`"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}`, ip, "2001:db8::1", false},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/33"}`, ip, "203.0.113.7", false},
		{`"IpAddress":{"aws:SourceIp":"*"}`, ip, "203.0.113.7", false},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, ip, "nowhere", false},
		{`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, ip, "203.0.113.7", false},
		{`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, ip, "198.51.100.1", true},
		{`"NotIpAddress":{"aws:SourceIp":["203.0.113.0/24","198.51.100.0/24"]}`, ip, "198.51.100.1", false},
		{`"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, "", "", true},
		{`"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, "", "", false},
		{`"IpAddressIfExists":{"aws:SourceIp":"203.0.113.0/24"}`, "", "", true},
	} {
		r := request(user(), compiled(t, authz.KindKey, byUser+`,"Condition":{`+c.condition+`}`))
		if c.key != "" {
			r.Facts = facts{c.key: {c.value}}
		}
		if got := authz.Decide(r).Allowed; got != c.want {
			t.Errorf("%s with %s = %q: %v", c.condition, c.key, c.value, got)
		}
	}
}

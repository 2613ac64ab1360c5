package wire_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"trent/fastpath/model"
)

// sampleTime is a timestamp in milliseconds.
const sampleTime = int64(1593622000191)

// patternSamples has a value for each pattern of the model.
var patternSamples = map[string]string{
	`^\p{ASCII}+$`:                       "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
	`[0-9]{12}`:                          "111122223333",
	`^[a-zA-Z0-9:/_-]+$`:                 "alias/x",
	`^[a-f0-9]+$`:                        strings.Repeat("0123456789abcdef", 4),
	`cluster-[2-7a-zA-Z]{11,16}`:         "cluster-abcdefg2345",
	`^[a-zA-Z0-9:/_\s.-]+$`:              "imported 1",
	`[\u0020-\u00FF]*`:                   `a"\é<&>/`,
	`[\w]+`:                              "default",
	`[\u0009\u000A\u000D\u0020-\u00FF]+`: "{\n\t\"Id\": \"é\\u0041\"\r\n}",
	`^[\w+=,.@:/-]+$`:                    "arn:aws:iam::111122223333:role/r",
	`^([a-z]+-){2,3}\d+$`:                "us-gov-west-1",
	`^[a-zA-Z0-9-_.]+$`:                  "key-1_2.3",
	`^[A-Z2-7]+$`:                        "ABCDEFGHIJKLMNOPQRSTU234567",
	`^[a-zA-Z0-9\/+=]+$`:                 strings.Repeat("ab/+", 11),
	`^https://[a-zA-Z0-9.-]+$`:           "https://xks.example.com",
	`^(/[a-zA-Z0-9\/_-]+/kms/xks/v\d{1,2})$|^(/kms/xks/v\d{1,2})$`:       "/p/kms/xks/v1",
	`^(com|eu)\.amazonaws\.vpce\.([a-z]+-){2,3}\d+\.vpce-svc-[0-9a-z]+$`: "com.amazonaws.vpce.us-east-1.vpce-svc-0a",
}

// sample is a valid value of a shape with every member, in the form of tree; n varies it.
func sample(t testing.TB, s *model.Shape, n int) any {
	t.Helper()
	switch s.Kind {
	case model.KindStructure:
		members := make(map[string]any)
		for i, m := range s.Members {
			members[m.Name] = sample(t, model.ShapeOf(m.Shape), n+i)
		}
		return members
	case model.KindList:
		e := model.ShapeOf(s.Element)
		return []any{sample(t, e, n), sample(t, e, n+1)}
	case model.KindMap:
		return map[string]any{"tenant": "42", "é\"\\\n": "😀\u2028"}
	case model.KindInteger:
		return int32(s.Min.Value) + int32(n%5)
	case model.KindBoolean:
		return n%2 == 0 || s.Name == "BooleanType" // the SDK does not send a false of that shape
	case model.KindTimestamp:
		return sampleTime
	case model.KindBlob:
		return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff\xef\xbe\x00", 1+n%3) + "x"[:n%2]))
	}
	switch {
	case len(s.Enum) > 0:
		return s.Enum[n%len(s.Enum)]
	case s.Pattern != "":
		text, ok := patternSamples[s.Pattern]
		if !ok {
			t.Fatalf("no sample for pattern %s", s.Pattern)
		}
		return text
	}
	return `x"\é😀/` + strings.Repeat("y", int(s.Min.Value))
}

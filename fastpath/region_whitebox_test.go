package fastpath

import "testing"

func TestHostRegion(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"kms.eu-west-1.amazonaws.com":                             "eu-west-1",
		"kms.eu-west-1.amazonaws.com:8443":                        "eu-west-1",
		"KMS.EU-WEST-1.AMAZONAWS.COM":                             "EU-WEST-1",
		"kms-fips.us-east-1.amazonaws.com":                        "us-east-1",
		"kms.cn-north-1.amazonaws.com.cn":                         "cn-north-1",
		"kms.eu-west-1.api.aws":                                   "eu-west-1",
		"kms-fips.us-west-2.api.aws":                              "us-west-2",
		"vpce-0f-abc.kms.us-east-1.vpce.amazonaws.com":            "us-east-1",
		"vpce-0f-abc-us-east-1a.kms.us-east-1.vpce.amazonaws.com": "us-east-1",
		"localhost":                        "",
		"localhost:8443":                   "",
		"127.0.0.1:8443":                   "",
		"[::1]:8443":                       "",
		"kms.example.com":                  "",
		"s3.us-east-1.amazonaws.com":       "",
		"x.kms.us-east-1.amazonaws.com":    "",
		"kms.amazonaws.com":                "",
		"":                                 "",
		"kms.us-east-1.amazonaws.com.evil": "",
	} {
		got, ok := hostRegion([]byte(host))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", host, got, ok)
		}
	}
}

func TestHostRegionOfSTS(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"sts.eu-west-1.amazonaws.com": "eu-west-1", "sts.amazonaws.com": "us-east-1", "sts.amazonaws.com:443": "us-east-1",
		"sts-fips.us-east-2.amazonaws.com": "us-east-2", "sts.cn-north-1.amazonaws.com.cn": "cn-north-1",
		"sts.amazonaws.com.cn": "", "kms.eu-west-1.amazonaws.com": "", "localhost": "",
	} {
		if got, ok := stsHostRegion([]byte(host)); string(got) != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", host, got, ok)
		}
	}
}

func TestRegions(t *testing.T) {
	t.Parallel()
	all, err := NewRegions(nil)
	if err != nil || len(all.Names()) < 30 {
		t.Fatalf("%v, %d Regions", err, len(all.Names()))
	}
	if r := all.Lookup([]byte("cn-north-1")); r == nil || r.Partition != "aws-cn" {
		t.Errorf("cn-north-1: %+v", r)
	}
	some, err := NewRegions([]string{"eu-west-1"})
	if err != nil || some.Lookup([]byte("us-east-1")) != nil || some.Lookup([]byte("eu-west-1")) == nil {
		t.Errorf("%v %+v", err, some)
	}
	if _, err := NewRegions([]string{"mars-1"}); err == nil {
		t.Error("mars-1 is known")
	}
}

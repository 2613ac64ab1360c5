package sigv4_test

import (
	"strings"
	"testing"
	"time"

	"trent/fastpath/sigv4"
)

// credentials is a directory of a few credentials.
type credentials map[string]*sigv4.Credential

func (c credentials) Lookup(accessKeyID, _ []byte) (*sigv4.Credential, error) {
	return c[string(accessKeyID)], nil
}

const (
	suiteKeyID  = "AKIDEXAMPLE"
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteScope  = suiteKeyID + "/20150830/us-east-1/service/aws4_request"
)

var suiteTime = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)

func suiteVerifier() *sigv4.Verifier {
	return sigv4.New(sigv4.Options{
		Service:     "service",
		Credentials: credentials{suiteKeyID: {AccessKeyID: suiteKeyID, Secret: []byte(suiteSecret)}},
	})
}

// request makes a request of its parts; header lines are separated by line feeds.
func request(method, target, headers, body string) *sigv4.Request {
	path, query, _ := strings.Cut(target, "?")
	return &sigv4.Request{
		Method: []byte(method), Path: []byte(path), RawQuery: []byte(query),
		RawHeaders: []byte(strings.ReplaceAll(headers, "\n", "\r\n") + "\r\n\r\n"),
		Body:       []byte(body),
	}
}

// TestSuite has the requests and signatures of AWS's Signature Version 4 test suite (the published
// "aws-sig-v4-test-suite": secret key, date and scope as above).
func TestSuite(t *testing.T) {
	t.Parallel()
	const (
		host = "Host:example.amazonaws.com"
		date = "X-Amz-Date:20150830T123600Z"
		std  = host + "\n" + date
	)
	tests := []struct {
		name, method, target, headers, body string
		signed, signature                   string
	}{
		{"get-vanilla", "GET", "/", std, "", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-vanilla-empty-query-key", "GET", "/?Param1=value1", std, "", "host;x-amz-date",
			"a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", std, "", "host;x-amz-date",
			"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-vanilla-query-order-value", "GET", "/?Param1=value2&Param1=value1", std, "", "host;x-amz-date",
			"5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"},
		{"get-vanilla-query-unreserved", "GET", "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
			std, "", "host;x-amz-date", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{"get-vanilla-utf8-query", "GET", "/?ሴ=bar", std, "", "host;x-amz-date",
			"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-utf8", "GET", "/ሴ", std, "", "host;x-amz-date",
			"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
		{"get-space", "GET", "/example space/", std, "", "host;x-amz-date",
			"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
		{"get-slash", "GET", "//", std, "", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slashes", "GET", "//example//", std, "", "host;x-amz-date",
			"9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"get-slash-dot-slash", "GET", "/./", std, "", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-pointless-dot", "GET", "/./example", std, "", "host;x-amz-date",
			"ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{"get-relative", "GET", "/example/..", std, "", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-relative-relative", "GET", "/example1/example2/../..", std, "", "host;x-amz-date",
			"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-header-key-duplicate", "GET", "/", host + "\nMy-Header1:value2\nMy-Header1:value2\nMy-Header1:value1\n" + date, "",
			"host;my-header1;x-amz-date", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{"get-header-value-multiline", "GET", "/", host + "\nMy-Header1:value1\n  value2\n     value3\n" + date, "",
			"host;my-header1;x-amz-date", "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd"},
		{"get-header-value-order", "GET", "/", host + "\nMy-Header1:value4\nMy-Header1:value1\nMy-Header1:value3\nMy-Header1:value2\n" + date, "",
			"host;my-header1;x-amz-date", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{"get-header-value-trim", "GET", "/", host + "\nMy-Header1: value1\nMy-Header2: \"a   b   c\"\n" + date, "",
			"host;my-header1;my-header2;x-amz-date", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"post-vanilla", "POST", "/", std, "", "host;x-amz-date",
			"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-vanilla-query", "POST", "/?Param1=value1", std, "", "host;x-amz-date",
			"28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{"post-header-key-sort", "POST", "/", host + "\nMy-Header1:value1\n" + date, "", "host;my-header1;x-amz-date",
			"c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{"post-header-value-case", "POST", "/", host + "\nMy-Header1:VALUE1\n" + date, "", "host;my-header1;x-amz-date",
			"cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
		{"post-x-www-form-urlencoded", "POST", "/", "Content-Type:application/x-www-form-urlencoded\n" + std, "Param1=value1",
			"content-type;host;x-amz-date", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
		{"post-x-www-form-urlencoded-parameters", "POST", "/", "Content-Type:application/x-www-form-urlencoded; charset=utf8\n" + std, "Param1=value1",
			"content-type;host;x-amz-date", "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			authorization := "\nAuthorization: AWS4-HMAC-SHA256 Credential=" + suiteScope +
				", SignedHeaders=" + tt.signed + ", Signature=" + tt.signature
			r := request(tt.method, tt.target, tt.headers+authorization, tt.body)
			var out sigv4.Verified
			v := suiteVerifier()
			for range 2 { // derived, then cached key
				if err := v.Verify(suiteTime, r, &out); err != nil {
					t.Fatal(err)
				}
			}
			if string(out.Region) != "us-east-1" || string(out.Service) != "service" || out.Presigned {
				t.Errorf("region %q, service %q, presigned %v", out.Region, out.Service, out.Presigned)
			}
			r.Body = append(r.Body, 'x')
			if err := v.Verify(suiteTime, r, &out); err == nil || out.Credential != nil {
				t.Errorf("a changed body verified: %v", err)
			}
		})
	}
}

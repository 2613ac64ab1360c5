package conformance_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"trent/fastpath/identity"
	"trent/fastpath/operation"
	"trent/fastpath/servertest"
)

// TestNamesOfNoKey: whatever names stand for keys, and whoever asks, the answer is the caller's mistake or a denial, never
// the server's trouble.
func TestNamesOfNoKey(t *testing.T) {
	t.Parallel()
	ownServer(t)
	for _, mode := range []operation.Authorization{operation.Enforce, operation.LogOnly, operation.Off} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			askForNoKeys(t, mode)
		})
	}
}

func askForNoKeys(t *testing.T, mode operation.Authorization) {
	t.Helper()
	home := identity.DefaultAccount
	everything := statements(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` +
		`"StringNotEquals":{"kms:KeySpec":"x","kms:KeyUsage":"x","kms:KeyOrigin":"x","kms:MultiRegionKeyType":"x","kms:RequestAlias":"x","aws:ResourceTag/x":"y","aws:RequestTag/x":"y","kms:EncryptionContext:x":"y"},` +
		`"ForAllValues:StringNotEquals":{"kms:ResourceAliases":"x","kms:EncryptionContextKeys":"x","aws:TagKeys":"x"},` +
		`"NumericNotEqualsIfExists":{"kms:TrailingDaysWithoutKeyUsage":"1234"},"BoolIfExists":{"kms:MultiRegion":["true","false"],"kms:ReEncryptOnSameKey":["true","false"]}}}`)
	var troubles atomic.Int64
	s := servertest.Start(t, servertest.Options{
		Authorization: mode,
		Credentials:   []identity.Credential{user(t, home, "all", everything), user(t, home, "none"), user(t, otherAccount, "all", everything)},
		Logf: func(format string, args ...any) {
			if line := fmt.Sprintf(format, args...); strings.HasPrefix(line, "request ") || strings.HasPrefix(line, "defect") {
				troubles.Add(1)
				t.Log(line)
			}
		},
	})
	g := newStage(t, s, "")
	names := []string{
		"x", absentID, "alias/absent", "alias/aws/none", "alias/aws/sqs", keyARN(home, absentID), keyARN(home, "x"), keyARN(otherAccount, absentID), g.symmetric, g.sign, g.primary,
		"arn:aws:kms:us-east-1:" + otherAccount + ":alias/absent", "arn:aws:kms:eu-west-1:" + home + ":key/" + absentID, "arn:aws:s3:::bucket-of-tests", "mrk-00000000000000000000000000000000",
	}
	for _, row := range operation.Rows() {
		body, _ := g.request(row.Name)
		for _, member := range []string{"KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId"} {
			if _, ok := body[member]; !ok {
				continue
			}
			for _, name := range names {
				if row.Write && (name == g.symmetric || name == g.sign || name == g.primary) {
					continue // which would change it
				}
				changed := object{}
				for k, v := range body {
					changed[k] = v
				}
				changed[member] = name
				for _, who := range [][2]string{{home, "all"}, {home, "none"}, {otherAccount, "all"}} {
					if a := as(t, s, who[0], who[1], row.Name, changed); a.Status >= 500 {
						t.Errorf("%s of %s by %s: %d %s", row.Name, name, who, a.Status, a.Body)
					} else if mode == operation.Enforce && who[1] == "none" && a.Status == 200 {
						t.Errorf("%s of %s by %s: %s", row.Name, name, who, a.Body)
					}
				}
			}
		}
	}
	if n := troubles.Load(); n > 0 {
		t.Errorf("the server was in trouble %d times", n)
	}
}

package engine

import (
	"bytes"
	"fmt"
	"time"
)

// CheckMidnight signs requests on both sides of the UTC midnight after a moment with one signer, which keeps its signing key for a
// day, and compares each with what a new signer makes of it. It is the client's part of the change of date that a long run sees;
// nothing is sent.
func CheckMidnight(c Credentials, region string, near time.Time) error {
	midnight := near.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	kept := newSigner(c, region, "localhost")
	for _, offset := range []time.Duration{-time.Minute, -time.Second, 0, time.Second, time.Minute, -time.Second} {
		at := midnight.Add(offset)
		got := kept.appendRequest(nil, "ListKeys", []byte("{}"), at)
		if want := newSigner(c, region, "localhost").appendRequest(nil, "ListKeys", []byte("{}"), at); !bytes.Equal(got, want) {
			return fmt.Errorf("signing at %s: the kept signing key gives another signature than a new one", at.Format(time.RFC3339))
		}
	}
	return nil
}

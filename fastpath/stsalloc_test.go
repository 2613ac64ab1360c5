//go:build !race

package fastpath_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"trent/fastpath/frontend"
	"trent/fastpath/servertest"
)

// TestSessionsAllocateNothing: a request with a session token costs no more than one without.
func TestSessionsAllocateNothing(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	made, err := sts.NewFromConfig(s.Config()).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	request := servertest.For("GenerateRandom", `{"NumberOfBytes":32}`)
	request.AccessKeyID, request.Secret, request.Session = *made.Credentials.AccessKeyId, *made.Credentials.SecretAccessKey, *made.Credentials.SessionToken
	handler := s.Core.Handler()
	r := received(t, s, request)
	template := append([]byte(nil), r.Body...)
	w := &frontend.Response{Body: make([]byte, 0, 16<<10)}
	allocs := testing.AllocsPerRun(500, func() {
		r.Body = r.Body[:len(template)]
		copy(r.Body, template) // decoding changed it
		w.Status, w.Body = 0, w.Body[:0]
		handler.Serve(r, w)
	})
	if w.Status != 200 || allocs > 0 {
		t.Errorf("%d %s, %v allocations", w.Status, w.Body, allocs)
	}
}

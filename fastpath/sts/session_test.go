package sts_test

import (
	"encoding/base64"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"

	"trent/fastpath/servertest"
)

func describe(t *testing.T, c aws.Config) error {
	_, err := kms.NewFromConfig(c).ListKeys(t.Context(), &kms.ListKeysInput{})
	return err
}

// Sessions need no record: they go on after a restart.
func TestSessionsSurviveARestart(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	made := assume(t, alice(s), "team/app", nil).Credentials
	if err := describe(t, session(s, made)); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	if err := describe(t, session(s, made)); err != nil {
		t.Error(err)
	}
}

// A session token opens for its own access key, as it was made, and where it was made.
func TestTokensThatAreNotTheKeysOwn(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	made, other := assume(t, alice(s), "team/app", nil).Credentials, assume(t, alice(s), "team/app", nil).Credentials
	elsewhere := assume(t, alice(startSTS(t, servertest.Options{})), "team/app", nil).Credentials
	token := []byte(*made.SessionToken)
	damaged := func(at int) string {
		b := append([]byte(nil), token...)
		if b[at]++; b[at] > 'y' {
			b[at] = 'a'
		}
		return string(b)
	}
	blob, err := base64.StdEncoding.DecodeString(*made.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	blob[len(blob)-1] ^= 1
	for name, c := range map[string]ststypes.Credentials{
		"no token":               {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String("")},
		"another session's":      {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: other.SessionToken},
		"another access key's":   {AccessKeyId: other.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: made.SessionToken},
		"another installation's": *elsewhere,
		"damaged at its start":   {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String(damaged(0))},
		"damaged in the middle":  {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String(damaged(len(token) / 2))},
		"damaged at its end":     {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String(base64.StdEncoding.EncodeToString(blob))},
		"cut":                    {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String(string(token[:len(token)/2]))},
		"no base64":              {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String("***")},
		"too long":               {AccessKeyId: made.AccessKeyId, SecretAccessKey: made.SecretAccessKey, SessionToken: aws.String(strings.Repeat("A", 13_000))},
		"of a long-term key":     {AccessKeyId: aws.String("AKIAALICE"), SecretAccessKey: aws.String("alice-secret"), SessionToken: made.SessionToken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCode(t, describe(t, session(s, &c)), "UnrecognizedClientException", "The security token included in the request is invalid.")
			_, err := sts.NewFromConfig(session(s, &c)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			wantCode(t, err, "InvalidClientTokenId", "The security token included in the request is invalid.")
		})
	}
	wrong := session(s, made)
	wrong.Credentials = credentials.NewStaticCredentialsProvider(*made.AccessKeyId, "wrong", *made.SessionToken)
	wantCode(t, describe(t, wrong), "InvalidSignatureException", "")
	_, err = sts.NewFromConfig(wrong).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantCode(t, err, "SignatureDoesNotMatch", "")
}

// Sessions end when they were to end, those that are known and those that are not. Signatures go by real time, and so the
// sessions here were made in the past.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	var back atomic.Int64
	clock := func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
	s := startSTS(t, servertest.Options{SessionClock: clock})
	back.Store(int64(time.Hour + time.Second))
	over := assume(t, alice(s), "team/app", nil)
	back.Store(int64(time.Hour - time.Minute))
	lives := assume(t, alice(s), "team/app", nil)
	if ends := time.Until(*lives.Credentials.Expiration); ends > time.Minute || ends < 30*time.Second {
		t.Errorf("an hour's session that was made 59 minutes ago has %s left", ends)
	}
	for range 2 {
		wantCode(t, describe(t, session(s, over.Credentials)), "ExpiredTokenException", "The security token included in the request is expired")
		_, err := sts.NewFromConfig(session(s, over.Credentials)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		wantCode(t, err, "ExpiredToken", "The security token included in the request is expired")
		if err := describe(t, session(s, lives.Credentials)); err != nil {
			t.Error(err)
		}
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	role := session(s, assume(t, alice(s), "team/app", nil).Credentials)
	own, err := alice(s).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	app, next := "arn:aws:iam::111122223333:role/team/app", "arn:aws:iam::111122223333:role/next"
	for _, c := range []struct {
		from    *sts.Client
		role    string
		seconds int32
		want    string
	}{
		{alice(s), app, 900, ""},
		{alice(s), app, 7200, ""},
		{alice(s), app, 899, "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{alice(s), app, 43201, "Member must have value less than or equal to 43200"},
		{alice(s), app, 7201, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{sts.NewFromConfig(role), next, 3600, ""},
		{sts.NewFromConfig(role), next, 3601, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."},
		{sts.NewFromConfig(session(s, own.Credentials)), app, 3601, "exceeds the 1 hour session limit"},
	} {
		out, err := c.from.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &c.role, RoleSessionName: aws.String("work"), DurationSeconds: &c.seconds})
		if c.want != "" {
			wantCode(t, err, "ValidationError", c.want)
		} else if err != nil {
			t.Errorf("%s for %d s: %v", c.role, c.seconds, err)
		} else if left := time.Until(*out.Credentials.Expiration); left > time.Duration(c.seconds)*time.Second || left < time.Duration(c.seconds-60)*time.Second {
			t.Errorf("%s for %d s ends in %s", c.role, c.seconds, left)
		}
	}
}

// GetSessionToken gives the user itself, but not for more sessions; GetFederationToken another user.
func TestOwnTokens(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	own, err := alice(s).GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*own.Credentials.Expiration); left < 11*time.Hour || left > 12*time.Hour {
		t.Errorf("a user's session lasts %s", left)
	}
	c := sts.NewFromConfig(session(s, own.Credentials))
	who, err := c.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::111122223333:user/alice" || !strings.HasPrefix(*who.UserId, "AIDA") {
		t.Errorf("%v, %v", who, err)
	}
	_, err = c.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	wantCode(t, err, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	_, err = c.GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest")})
	wantCode(t, err, "AccessDenied", "Cannot call GetFederationToken with session credentials")
	root, err := stsAs(s, "AKIAROOT4", "root-secret").GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*root.Credentials.Expiration); left > time.Hour {
		t.Errorf("the root user's session lasts %s", left)
	}
	if err := describe(t, session(s, root.Credentials)); err != nil {
		t.Error(err)
	}

	const listOnly = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:ListKeys","Resource":"*"}]}`
	guest, err := alice(s).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest"), Policy: aws.String(listOnly)})
	if err != nil {
		t.Fatal(err)
	}
	if *guest.FederatedUser.Arn != "arn:aws:sts::111122223333:federated-user/guest" || *guest.FederatedUser.FederatedUserId != "111122223333:guest" || *guest.SessionTokenUtilization < 1 {
		t.Errorf("%+v, utilization %v", guest.FederatedUser, *guest.SessionTokenUtilization)
	}
	if err := describe(t, session(s, guest.Credentials)); err != nil {
		t.Error(err)
	}
	_, err = kms.NewFromConfig(session(s, guest.Credentials)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	wantCode(t, err, "AccessDeniedException", "because no session policy allows the kms:CreateKey action")
	without, err := alice(s).GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest")})
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, describe(t, session(s, without.Credentials)), "AccessDeniedException", "because no session policy allows")
	_, err = stsAs(s, "AKIACAROL", "carol-secret").GetFederationToken(t.Context(), &sts.GetFederationTokenInput{Name: aws.String("guest")})
	wantCode(t, err, "AccessDenied", "is not authorized to perform: sts:GetFederationToken on resource: arn:aws:sts::111122223333:federated-user/guest because no identity-based policy allows the sts:GetFederationToken action")
}

func TestAccessKeyInfo(t *testing.T) {
	t.Parallel()
	s := startSTS(t, servertest.Options{})
	made := assume(t, alice(s), "team/app", nil).Credentials
	bob := stsAs(s, "AKIABOB", "bob-secret")
	out, err := bob.GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: made.AccessKeyId})
	if err != nil || *out.Account != "111122223333" {
		t.Errorf("%v, %v", out, err)
	}
	_, err = bob.GetAccessKeyInfo(t.Context(), &sts.GetAccessKeyInfoInput{AccessKeyId: aws.String("XXXX0000000000000000")})
	wantCode(t, err, "ValidationError", "")
	if id := *made.AccessKeyId; len(id) != 20 || !strings.HasPrefix(id, "ASIA") || len(*made.SecretAccessKey) != 40 {
		t.Errorf("access key id %s, secret of %d characters", id, len(*made.SecretAccessKey))
	}
}

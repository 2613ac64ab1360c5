package sts

import "context"

// callerIdentity is GetCallerIdentity, which everybody may do.
func (s *Service) callerIdentity(_ context.Context, c *Call) ([]element, error) {
	p := &c.Caller.Principal
	return []element{leaf("Arn", p.ARN), leaf("UserId", p.ID), leaf("Account", p.Account)}, nil
}

// accessKeyInfo is GetAccessKeyInfo: the account whose access key it is, known or not. It needs no permission here.
func (s *Service) accessKeyInfo(_ context.Context, c *Call) ([]element, error) {
	checks := checks{form: &c.Form}
	id := checks.text("AccessKeyId", true, 16, 128, keyPattern)
	c.record.keyInfo(id)
	if err := checks.done(); err != nil {
		return nil, err
	}
	account, ok := s.directory.Current().Owner(id)
	if !ok {
		account, ok = accountOf(id)
	}
	if !ok {
		return nil, invalid("The specified value for AccessKeyId is not valid.")
	}
	return []element{leaf("Account", account)}, nil
}

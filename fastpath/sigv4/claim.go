package sigv4

import "bytes"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
)

// readClaim finds the signature's parameters in the Authorization header, or else in the query.
func (out *Verified) readClaim(r *Request) error {
	out.claim = claim{}
	out.Presigned = false
	if authorization, ok := out.Header("authorization"); ok {
		return out.readHeaderForm(authorization)
	}
	return out.readQueryForm(r.RawQuery)
}

// readHeaderForm reads: Authorization: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…
// The parameters may come in any order, with or without spaces around the commas.
func (out *Verified) readHeaderForm(authorization []byte) error {
	c := &out.claim
	if err := c.readAuthorization(authorization); err != nil {
		return err
	}
	date, dated := out.Header("x-amz-date")
	plainDate := !dated
	if plainDate {
		date, dated = out.Header("date")
	}
	if len(c.credential) == 0 || len(c.signature) == 0 || len(c.signedHeaders) == 0 || !dated {
		return errIncompleteHeader(c, dated, authorization)
	}
	if !c.splitCredential() {
		return errCredentialElements(c.credential)
	}
	if !c.setTime(date) && !(plainDate && c.setHTTPDate(date)) {
		return errDateFormat(date)
	}
	c.token, _ = out.Header("x-amz-security-token")
	return nil
}

// readAuthorization reads the header's value. What begins with another algorithm has none of the parameters.
func (c *claim) readAuthorization(value []byte) error {
	rest, ok := bytes.CutPrefix(value, []byte(algorithm))
	if !ok || len(rest) == 0 || !isSpace(rest[0]) {
		return nil
	}
	for len(rest) > 0 {
		pair := rest
		if i := bytes.IndexByte(rest, ','); i >= 0 {
			pair, rest = rest[:i], rest[i+1:]
		} else {
			rest = nil
		}
		start, end := trim(pair, 0)
		if pair = pair[start:end]; len(pair) == 0 {
			continue
		}
		equals := bytes.IndexByte(pair, '=')
		if equals < 0 {
			return errNotAPair(pair, value)
		}
		switch content := pair[equals+1:]; string(pair[:equals]) {
		case "Credential":
			c.credential = content
		case "SignedHeaders":
			c.signedHeaders = content
		case "Signature":
			c.signature = content
		}
	}
	return nil
}

// splitCredential cuts ACCESSKEY/YYYYMMDD/REGION/SERVICE/aws4_request; false: not five elements.
func (c *claim) splitCredential() bool {
	rest := c.credential
	for _, element := range [...]*[]byte{&c.accessKeyID, &c.date, &c.region, &c.service} {
		i := bytes.IndexByte(rest, '/')
		if i < 0 {
			return false
		}
		*element, rest = rest[:i], rest[i+1:]
	}
	c.terminator = rest
	return bytes.IndexByte(rest, '/') < 0
}

// scope is the credential without the access key id.
func (c *claim) scope() []byte { return c.credential[len(c.accessKeyID)+1:] }

package operation

import (
	"strings"

	"trent/fastpath/authz"
	"trent/fastpath/wire"
)

// denial words a denial as the service does. Who may not use a key of another account learns nothing of it, nor does who
// may not use the key of a ciphertext.
func (c *Call) denial(n *need, d *authz.Decision) *wire.Error {
	key := c.asking.key
	if d.Reason == authz.DeniedElsewhere || n.on.ofKey() && (key == nil || key.Missing || !c.owns(key)) || c.ofCiphertext(n) {
		return c.elsewhere(n)
	}
	resource := c.asked.Resource
	switch n.on {
	case onAny, onReplicas:
		resource = "*"
	case onNewKey, onReplica: // recorded without a resource
		text := d.Text(c.Caller.ARN, n.action.String(), "")
		return &wire.Error{Code: wire.CodeAccessDeniedException, Message: strings.Replace(text, " on resource: ", "", 1)}
	}
	return &wire.Error{Code: wire.CodeAccessDeniedException, Message: d.Text(c.Caller.ARN, n.action.String(), resource)}
}

// ofCiphertext tells whether a permission is needed on a key that only a ciphertext names.
func (c *Call) ofCiphertext(n *need) bool { return c.byCiphertext && n.on == onKey }

// elsewhere is the answer about a key that the caller may not learn of.
func (c *Call) elsewhere(n *need) *wire.Error {
	if c.ofCiphertext(n) {
		return ciphertextForeign()
	}
	return foreign(c, n.action)
}

// foreign is the answer about a key of another account, there or not: the caller learns neither. So is it in the caller's
// own account for who may not do the action on the key if it existed.
func foreign(c *Call, action authz.Action) *wire.Error {
	d := authz.Decision{Reason: authz.DeniedElsewhere}
	return &wire.Error{Code: wire.CodeAccessDeniedException, Message: d.Text(c.Caller.ARN, action.String(), "")}
}

// ciphertextForeign is the answer to a ciphertext whose key is known here but gone, of another Region or
// not the caller's to use.
func ciphertextForeign() *wire.Error {
	return wire.Errorf(wire.CodeAccessDeniedException,
		"The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.")
}

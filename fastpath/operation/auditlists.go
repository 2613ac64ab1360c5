package operation

import "trent/fastpath/wire"

// listParameters are those of operations that only read.
func (c *Call) listParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.ListAliasesRequest:
		o.bytes("keyId", r.KeyId)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	case *wire.ListGrantsRequest:
		o.bytes("keyId", r.KeyId)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
		o.bytes("grantId", r.GrantId)
		o.bytes("granteePrincipal", r.GranteePrincipal)
		o.bytes("granteeServicePrincipal", r.GranteeServicePrincipal)
	case *wire.ListKeyPoliciesRequest:
		o.bytes("keyId", r.KeyId)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	case *wire.ListKeyRotationsRequest:
		o.bytes("keyId", r.KeyId)
		enum(o, "includeKeyMaterial", r.IncludeKeyMaterial)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	case *wire.ListKeysRequest:
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	case *wire.ListResourceTagsRequest:
		o.bytes("keyId", r.KeyId)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	case *wire.ListRetirableGrantsRequest:
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
		o.bytes("retiringPrincipal", r.RetiringPrincipal)
		o.bytes("retiringServicePrincipal", r.RetiringServicePrincipal)
	case *wire.GetKeyPolicyRequest:
		o.bytes("keyId", r.KeyId)
		o.text("policyName", policyName)
	default:
		return c.nameParameter(o)
	}
	return true
}

// nameParameter is that of the operations that take a key's name and no more than tokens beside it.
func (c *Call) nameParameter(o *object) bool {
	switch c.Request.(type) {
	case *wire.CancelKeyDeletionRequest, *wire.DescribeKeyRequest, *wire.DisableKeyRequest, *wire.DisableKeyRotationRequest, *wire.EnableKeyRequest,
		*wire.GetKeyLastUsageRequest, *wire.GetKeyRotationStatusRequest, *wire.GetPublicKeyRequest, *wire.RotateKeyOnDemandRequest:
		o.bytes("keyId", c.row.key(c.Request))
		return true
	}
	return false
}

// storeParameters are those of custom key stores: no password and no secret, but the id that belongs to one.
func (c *Call) storeParameters(o *object) bool {
	switch r := c.Request.(type) {
	case *wire.CreateCustomKeyStoreRequest:
		o.bytes("customKeyStoreName", r.CustomKeyStoreName)
		enum(o, "customKeyStoreType", r.CustomKeyStoreType)
		o.bytes("clusterId", r.CloudHsmClusterId)
		proxyParameters(o, r.XksProxyUriEndpoint, r.XksProxyUriPath, r.XksProxyVpcEndpointServiceName, r.XksProxyAuthenticationCredential, r.XksProxyConnectivity)
	case *wire.UpdateCustomKeyStoreRequest:
		o.bytes("customKeyStoreId", r.CustomKeyStoreId)
		o.bytes("newCustomKeyStoreName", r.NewCustomKeyStoreName)
		o.bytes("clusterId", r.CloudHsmClusterId)
		proxyParameters(o, r.XksProxyUriEndpoint, r.XksProxyUriPath, r.XksProxyVpcEndpointServiceName, r.XksProxyAuthenticationCredential, r.XksProxyConnectivity)
	case *wire.ConnectCustomKeyStoreRequest:
		o.bytes("customKeyStoreId", r.CustomKeyStoreId)
	case *wire.DisconnectCustomKeyStoreRequest:
		o.bytes("customKeyStoreId", r.CustomKeyStoreId)
	case *wire.DeleteCustomKeyStoreRequest:
		o.bytes("customKeyStoreId", r.CustomKeyStoreId)
	case *wire.DescribeCustomKeyStoresRequest:
		o.bytes("customKeyStoreId", r.CustomKeyStoreId)
		o.bytes("customKeyStoreName", r.CustomKeyStoreName)
		o.number("limit", r.Limit, r.HasLimit())
		o.bytes("marker", r.Marker)
	default:
		return false
	}
	return true
}

func proxyParameters(o *object, endpoint, path, service []byte, credential *wire.XksProxyAuthenticationCredentialType, connectivity wire.XksProxyConnectivityType) {
	o.bytes("xksProxyUriEndpoint", endpoint)
	o.bytes("xksProxyUriPath", path)
	o.bytes("xksProxyVpcEndpointServiceName", service)
	enum(o, "xksProxyConnectivity", connectivity)
	if credential != nil {
		o.name("xksProxyAuthenticationCredential")
		inner := objectIn(o.b)
		inner.bytes("accessKeyId", credential.AccessKeyId)
		o.b = inner.end()
	}
}

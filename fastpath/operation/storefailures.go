package operation

import (
	"errors"
	"fmt"

	"trent/fastpath/keyring"
	"trent/fastpath/keystore"
	"trent/fastpath/wire"
)

// proxyFailure is how a failure of an external key store's proxy is answered (XKS proxy API specification, "Error
// handling"). Cryptographic operations answer KMSInvalidStateException with the text; a code of 0 is one that cannot be.
type proxyFailure struct {
	name      string
	manage    wire.Code // CreateCustomKeyStore, UpdateCustomKeyStore
	createKey wire.Code
	connect   wire.ConnectionErrorCodeType
	text      string
}

const administrator = "If you see this error repeatedly, report it to your external key store proxy administrator."

var proxyFailures = []proxyFailure{
	{"ValidationException", wire.CodeXksProxyInvalidResponseException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"AWS KMS cannot interpret the response from the external key store proxy. " + administrator},
	{keystore.Malformed, wire.CodeXksProxyInvalidResponseException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"AWS KMS cannot interpret the response from the external key store proxy. " + administrator},
	{"InvalidStateException", wire.CodeXksProxyInvalidResponseException, wire.CodeXksKeyInvalidConfigurationException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"The external key associated with this KMS key in an external key store is not enabled in the external key manager. Enable the external key in the external key manager and retry the request."},
	{"InvalidCiphertextException", wire.CodeXksProxyInvalidResponseException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"The external key store proxy rejected the request because the specified ciphertext or encryption context is corrupted, missing, or otherwise invalid."},
	{"InvalidKeyUsageException", wire.CodeXksProxyInvalidResponseException, wire.CodeXksKeyInvalidConfigurationException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"The external key associated with this KMS key in an external key store does not support the requested operation. Enable the operation on the key in your external key manager, and try the request again."},
	{"AuthenticationFailedException", wire.CodeXksProxyIncorrectAuthenticationCredentialException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeInvalidCredentials,
		"The external key store proxy rejected the request because it could not authenticate AWS KMS. Verify the XKS proxy authentication credentials for your external key store and update if necessary."},
	// CreateKey would answer KMSInvalidStateException, which is not in its model.
	{"AccessDeniedException", wire.CodeXksProxyInvalidResponseException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyAccessDenied,
		"The external key store proxy denied access to the operation. Verify that the user and the external key are both authorized for this operation, and try the request again."},
	{"KeyNotFoundException", wire.CodeXksProxyInvalidResponseException, wire.CodeXksKeyNotFoundException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"The external key associated with this KMS key in an external key store was not found in its external key manager. If the external key ID associated with this KMS key is incorrect, create a new KMS key with the correct external key ID."},
	{"InvalidUriPathException", wire.CodeXksProxyInvalidConfigurationException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyInvalidConfiguration,
		"The external key store proxy rejected the request because of an invalid URI path. Verify the URI path for your external key store and update if necessary."},
	// The specification's own name for CreateKey here, XksKeyInvalidResponse, is none of the API's.
	{"UnsupportedOperationException", wire.CodeXksProxyInvalidResponseException, wire.CodeXksKeyInvalidConfigurationException, wire.ConnectionErrorCodeTypeXksProxyInvalidResponse,
		"The external key store proxy rejected the request because it does not support the requested operation. " + administrator},
	{"DependencyTimeoutException", wire.CodeXksProxyUriUnreachableException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyTimedOut,
		"The external key store proxy did not respond to the request in the time allotted. Retry the request. " + administrator},
	{"ThrottlingException", wire.CodeXksProxyUriUnreachableException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyNotReachable,
		"The external key store proxy rejected the request due to a very high request rate. Reduce the frequency of your calls using KMS keys in this external key store."},
	{"InternalException", wire.CodeXksProxyInvalidResponseException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyNotReachable,
		"The external key store proxy rejected the request because it cannot communicate with the external key manager. Verify that the external key store proxy configuration is correct and that the external key manager is available."},
	{keystore.NoConnection, wire.CodeXksProxyUriUnreachableException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyNotReachable,
		"AWS KMS cannot communicate with the external key store proxy. This might be a transient network issue. " + administrator},
	{keystore.NoTLS, wire.CodeXksProxyUriUnreachableException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyInvalidTlsConfiguration,
		"AWS KMS cannot establish a TLS connection to the external key store proxy. Verify the TLS configuration, including its certificate."},
	{keystore.NoAnswer, wire.CodeXksProxyUriUnreachableException, wire.CodeCustomKeyStoreInvalidStateException, wire.ConnectionErrorCodeTypeXksProxyTimedOut,
		"AWS KMS rejected the request because the external key store proxy did not respond in time. Retry the request. " + administrator},
}

// Texts about connections that are not made.
const (
	xksNotConnected   = "This KMS key is in a custom key store that is not connected to its external key store proxy. Connect the external key store and try the request again."
	hsmCommunication  = "KMS cannot communicate with your CloudHSM cluster"
	throttled         = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
	internalTrouble   = "An internal error occurred. You can retry the request."
	dependencyTrouble = "The system timed out while trying to fulfill the request. You can retry the request."
)

// storeTexts are the texts of refusals that are the store's own; the service's words are not known.
var storeTexts = map[wire.Code]string{
	wire.CodeCloudHsmClusterNotFoundException:                        "The CloudHSM cluster cannot be found.",
	wire.CodeCloudHsmClusterNotActiveException:                       "The CloudHSM cluster is not active.",
	wire.CodeCloudHsmClusterInvalidConfigurationException:            "The CloudHSM cluster has too few active HSMs in different Availability Zones for this operation.",
	wire.CodeCloudHsmClusterNotRelatedException:                      "The CloudHSM cluster does not share a backup history with the custom key store's original cluster.",
	wire.CodeCloudHsmClusterInUseException:                           "The CloudHSM cluster, or one that shares a backup history with it, is associated with another custom key store.",
	wire.CodeIncorrectTrustAnchorException:                           "The trust anchor certificate is not the one of the CloudHSM cluster.",
	wire.CodeXksProxyVpcEndpointServiceNotFoundException:             "The VPC endpoint service cannot be found, or AWS KMS is not one of its allowed principals.",
	wire.CodeXksProxyVpcEndpointServiceInvalidConfigurationException: "The VPC endpoint service does not fulfill the requirements of an external key store.",
	wire.CodeXksKeyInvalidConfigurationException:                     "The external key does not fulfill the requirements of an external key store.",
	wire.CodeCustomKeyStoreInvalidStateException:                     "The connection state of the custom key store does not allow this operation.",
	wire.CodeThrottlingException:                                     throttled,
	wire.CodeKMSInternalException:                                    internalTrouble,
	wire.CodeDependencyTimeoutException:                              dependencyTrouble,
	wire.CodeKMSInvalidStateException:                                hsmCommunication,
	wire.CodeKeyUnavailableException:                                 "The key is not available right now. You can retry the request.",
}

// failureCode finds the API's exception of a failure's name, 0 if it is none.
func failureCode(name string) wire.Code {
	for code := wire.Code(1); code < wire.CodeInternalFailure; code++ {
		if code.String() == name {
			return code
		}
	}
	return 0
}

// proxyFailureOf finds the row of a proxy's failure, nil if it is none of the proxy API.
func proxyFailureOf(name string) *proxyFailure {
	for i := range proxyFailures {
		if proxyFailures[i].name == name {
			return &proxyFailures[i]
		}
	}
	return nil
}

// managed turns a backend's failure into the answer of CreateCustomKeyStore, UpdateCustomKeyStore or
// ConnectCustomKeyStore.
func managed(typ keyring.StoreType, err error) error {
	return answered(typ, err, func(f *proxyFailure) wire.Code { return f.manage })
}

// keyCreation turns a backend's failure into the answer of CreateKey.
func keyCreation(typ keyring.StoreType, err error) error {
	err = answered(typ, err, func(f *proxyFailure) wire.Code { return f.createKey })
	var api *wire.Error
	if errors.As(err, &api) && (api.Code == wire.CodeCloudHsmClusterNotFoundException || api.Code == wire.CodeCloudHsmClusterNotActiveException) {
		return stored(wire.CodeCloudHsmClusterInvalidConfigurationException)
	}
	return err
}

// use turns a backend's failure into the answer of a cryptographic operation, which is always
// KMSInvalidStateException for whatever the store is to blame for.
func use(typ keyring.StoreType, err error) error {
	var failed *keystore.Failure
	if typ == keyring.CloudHSMStore && errors.As(err, &failed) && failureCode(failed.Name) == 0 {
		return stored(wire.CodeKMSInvalidStateException)
	}
	return answered(typ, err, func(*proxyFailure) wire.Code { return wire.CodeKMSInvalidStateException })
}

// answered turns a failure of a backend of this type into an API error; other errors pass.
func answered(typ keyring.StoreType, err error, code func(*proxyFailure) wire.Code) error {
	var failed *keystore.Failure
	if !errors.As(err, &failed) {
		return err
	}
	if typ == keyring.ExternalStore {
		if f := proxyFailureOf(failed.Name); f != nil {
			return wire.Errorf(code(f), "%s", f.text)
		}
	}
	exception := failureCode(failed.Name)
	if exception == 0 {
		return fmt.Errorf("asking what is behind a custom key store: %w", err)
	}
	if typ == keyring.ExternalStore {
		for i := range proxyFailures {
			if f := &proxyFailures[i]; code(f) == exception && exception != wire.CodeKMSInvalidStateException {
				return wire.Errorf(exception, "%s", f.text)
			}
		}
		if exception == wire.CodeKMSInvalidStateException {
			return wire.Errorf(exception, "%s", proxyFailureOf(keystore.NoConnection).text)
		}
	}
	return stored(exception)
}

// stored is an exception with the text of the table above.
func stored(code wire.Code) *wire.Error { return wire.Errorf(code, "%s", storeTexts[code]) }

// connectionError is the API's ConnectionErrorCode of a connection that could not be made.
func connectionError(name string) string {
	if f := proxyFailureOf(name); f != nil {
		return f.connect.String()
	}
	for code := wire.ConnectionErrorCodeType(1); code.String() != ""; code++ {
		if code.String() == name {
			return name
		}
	}
	switch name {
	case "XksProxyVpcEndpointServiceNotFoundException":
		return wire.ConnectionErrorCodeTypeXksVpcEndpointServiceNotFound.String()
	case "XksProxyVpcEndpointServiceInvalidConfigurationException":
		return wire.ConnectionErrorCodeTypeXksVpcEndpointServiceInvalidConfiguration.String()
	}
	return wire.ConnectionErrorCodeTypeInternalError.String()
}

// connectionErrorCode is the API's value of a record's text.
func connectionErrorCode(name string) wire.ConnectionErrorCodeType {
	for code := wire.ConnectionErrorCodeType(1); code.String() != ""; code++ {
		if code.String() == name {
			return code
		}
	}
	return 0
}

// noStore is the answer about a custom key store that is not there.
func noStore[T ~string | ~[]byte](id T) *wire.Error {
	return wire.Errorf(wire.CodeCustomKeyStoreNotFoundException, "Custom key store %s does not exist.", id)
}

// storeState refuses an operation in the custom key store's connection state.
func storeState(s *keyring.KeyStore) *wire.Error {
	return wire.Errorf(wire.CodeCustomKeyStoreInvalidStateException,
		"The custom key store %s is in the connection state %s, which does not allow this operation.", s.ID, s.State)
}

package engine

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// sdkCall makes one call from the JSON body of a hit.
type sdkCall func(ctx context.Context, client *kms.Client, body []byte) error

// typed decodes the body into the call's input. The members of the SDK's inputs have the API's names, byte slices read base64, and
// enumerations are strings, so that encoding/json alone does it.
func typed[In, Out any](call func(*kms.Client, context.Context, *In, ...func(*kms.Options)) (*Out, error)) sdkCall {
	return func(ctx context.Context, client *kms.Client, body []byte) error {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return fmt.Errorf("decoding a hit for the SDK: %w", err)
		}
		_, err := call(client, ctx, &in)
		return err
	}
}

// sdkCalls are the operations that the engine knows: those of the workloads, and the others that cryptographic traffic comes with.
var sdkCalls = map[string]sdkCall{
	"Encrypt":                             typed((*kms.Client).Encrypt),
	"Decrypt":                             typed((*kms.Client).Decrypt),
	"ReEncrypt":                           typed((*kms.Client).ReEncrypt),
	"GenerateDataKey":                     typed((*kms.Client).GenerateDataKey),
	"GenerateDataKeyWithoutPlaintext":     typed((*kms.Client).GenerateDataKeyWithoutPlaintext),
	"GenerateDataKeyPair":                 typed((*kms.Client).GenerateDataKeyPair),
	"GenerateDataKeyPairWithoutPlaintext": typed((*kms.Client).GenerateDataKeyPairWithoutPlaintext),
	"GenerateRandom":                      typed((*kms.Client).GenerateRandom),
	"Sign":                                typed((*kms.Client).Sign),
	"Verify":                              typed((*kms.Client).Verify),
	"GenerateMac":                         typed((*kms.Client).GenerateMac),
	"VerifyMac":                           typed((*kms.Client).VerifyMac),
	"DeriveSharedSecret":                  typed((*kms.Client).DeriveSharedSecret),
	"GetPublicKey":                        typed((*kms.Client).GetPublicKey),
	"CreateKey":                           typed((*kms.Client).CreateKey),
	"DescribeKey":                         typed((*kms.Client).DescribeKey),
	"EnableKey":                           typed((*kms.Client).EnableKey),
	"DisableKey":                          typed((*kms.Client).DisableKey),
	"UpdateKeyDescription":                typed((*kms.Client).UpdateKeyDescription),
	"ScheduleKeyDeletion":                 typed((*kms.Client).ScheduleKeyDeletion),
	"CancelKeyDeletion":                   typed((*kms.Client).CancelKeyDeletion),
	"GetKeyPolicy":                        typed((*kms.Client).GetKeyPolicy),
	"PutKeyPolicy":                        typed((*kms.Client).PutKeyPolicy),
	"ListKeyPolicies":                     typed((*kms.Client).ListKeyPolicies),
	"ListKeys":                            typed((*kms.Client).ListKeys),
	"CreateAlias":                         typed((*kms.Client).CreateAlias),
	"UpdateAlias":                         typed((*kms.Client).UpdateAlias),
	"DeleteAlias":                         typed((*kms.Client).DeleteAlias),
	"ListAliases":                         typed((*kms.Client).ListAliases),
	"CreateGrant":                         typed((*kms.Client).CreateGrant),
	"ListGrants":                          typed((*kms.Client).ListGrants),
	"ListRetirableGrants":                 typed((*kms.Client).ListRetirableGrants),
	"RetireGrant":                         typed((*kms.Client).RetireGrant),
	"RevokeGrant":                         typed((*kms.Client).RevokeGrant),
	"TagResource":                         typed((*kms.Client).TagResource),
	"UntagResource":                       typed((*kms.Client).UntagResource),
	"ListResourceTags":                    typed((*kms.Client).ListResourceTags),
	"EnableKeyRotation":                   typed((*kms.Client).EnableKeyRotation),
	"DisableKeyRotation":                  typed((*kms.Client).DisableKeyRotation),
	"GetKeyRotationStatus":                typed((*kms.Client).GetKeyRotationStatus),
	"ListKeyRotations":                    typed((*kms.Client).ListKeyRotations),
	"RotateKeyOnDemand":                   typed((*kms.Client).RotateKeyOnDemand),
}

package choir

import (
	"time"

	"example.test/choir/types"
)

type SingInput struct {

	// What to sing.
	//
	// This member is required.
	Song *string

	Voices []types.Voice

	Words []byte

	Loud *bool

	Notes map[string]string

	// The key.
	//
	// This member is required.
	Key types.KeyEnum

	Tempo *int32

	noSmithyDocumentSerde
}

type SingOutput struct {
	At *time.Time

	Count *string

	// Metadata pertaining to the operation's result.
	ResultMetadata middleware.Metadata

	noSmithyDocumentSerde
}

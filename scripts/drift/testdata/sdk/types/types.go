package types

type KeyEnum string

const (
	KeyEnumMajor KeyEnum = "MAJOR"
	KeyEnumModal KeyEnum = "MODAL"
)

type Voice struct {
	Name *string

	Pitch types.Pitch

	noSmithyDocumentSerde
}

type Pitch struct {
	Hertz int32
}

type HoarseException struct {
	Message *string
}

func (e *HoarseException) ErrorFault() smithy.ErrorFault { return smithy.FaultServer }

type TiredException struct {
	Message *string
}

func (e *TiredException) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

type noSmithyDocumentSerde struct{}

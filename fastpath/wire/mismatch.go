package wire

// wanted is what the model has at a place of the request.
type wanted uint8

const (
	wantString wanted = iota
	wantBlob
	wantInteger
	wantBoolean
	wantTimestamp
	wantList
	wantMap
	wantStructure
	numWanted
)

// serialization is a SerializationException with a text. Values are shared: nothing is allocated for a
// refused body.
func serialization(text string) *Error {
	return &Error{Code: CodeSerializationException, Message: text}
}

var (
	// malformed is a body that is not JSON, or not UTF-8; the service is known to answer without a text.
	malformed = Bare(CodeSerializationException)
	// Numbers that their types cannot hold (chosen texts).
	integerRange   = serialization("NUMBER_VALUE can not be converted to an Integer")
	timestampRange = serialization("NUMBER_VALUE can not be converted to milliseconds since epoch")
	// badBlob is base64 that cannot be decoded (chosen: as malformed).
	badBlob = malformed
	// The service's own texts; the first is recorded without a full stop.
	foundList      = serialization("Start of list found where not expected")
	foundStructure = serialization("Start of structure or map found where not expected.")
)

// conversions are the texts for scalars where something else was wanted, by what was wanted and what was found.
// Those of lists and structures are chosen.
var conversions = func() (t [numWanted]struct{ text, number, yes, no *Error }) {
	for want, to := range []string{
		wantString: "a String", wantBlob: "a Blob", wantInteger: "an Integer", wantBoolean: "a Boolean",
		wantTimestamp: "milliseconds since epoch",
	} {
		t[want].text = serialization("STRING_VALUE can not be converted to " + to)
		t[want].number = serialization("NUMBER_VALUE can not be converted to " + to)
		t[want].yes = serialization("TRUE_VALUE can not be converted to " + to)
		t[want].no = serialization("FALSE_VALUE can not be converted to " + to)
	}
	for want, what := range map[wanted]string{wantList: "list", wantMap: "map", wantStructure: "structure"} {
		e := serialization("Expected " + what + " or null")
		t[want].text, t[want].number, t[want].yes, t[want].no = e, e, e, e
	}
	return t
}()

// mismatch fails with the text for what stands here in place of what was wanted.
func (l *lexer) mismatch(want wanted) {
	found := &conversions[want]
	switch c := l.peek(); {
	case c == '[':
		l.fail(foundList)
	case c == '{':
		l.fail(foundStructure)
	case c == '"':
		l.fail(found.text)
	case c == 't':
		l.fail(found.yes)
	case c == 'f':
		l.fail(found.no)
	case c == '-', '0' <= c && c <= '9':
		l.fail(found.number)
	default:
		l.fail(malformed)
	}
}

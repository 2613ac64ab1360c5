package wire

// Eight bytes at a time, held in a uint64: byte k is the k-th lowest.
const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// special marks, by the high bit of its byte, the first byte of w that does not stand in a JSON string as it is or
// is not ASCII: quote, backslash, control character, 0x80 and above. Subtracting borrows into a byte's high bit
// where the byte is zero (or below 0x20); only bytes above the first hit can be marked wrongly.
func special(w uint64) uint64 {
	quote, slash := w^'"'*lowBits, w^'\\'*lowBits
	return ((quote-lowBits)&^quote | (slash-lowBits)&^slash | (w-' '*lowBits)&^w | w) & highBits
}

package audit

// Render is the JSON of a record.
func Render(e *Entry) string {
	var r renderer
	return string(r.record(nil, e))
}

// AppendString is the JSON of a string.
func AppendString(s string) string { return string(appendString(nil, s)) }

// Sizes that tests reach.
const ChunkEntries = chunkEntries
